"""What every room says: the API's words and rules, values, ranges, refusals, policies, options. Nothing here reads or
writes anything but oslo.config.

    apidef       names, validators and converters, attribute maps, definitions
    values       BGPVPNs, associations, routes and a cloud as frozen values
    ranges       ranges of numbers as an operator writes them (pure)
    exceptions   what the API answers when it refuses
    policies     who may do what
    conf         the `[isthmus]` section
"""

"""The lab: several real OpenStack clouds on one machine, in network namespaces. Command: `isthmus-lab`.

It stands outside the product: it uses the model's words and public doors (commands, files, HTTP) only, never the
code it is there to try. docs/design/lab.md has the picture.
"""

"""The Open vSwitch dialect of forwarding, still pure: layout, render, parse."""

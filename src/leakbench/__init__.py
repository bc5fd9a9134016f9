"""Does a classifier leak who was in its training set, and which defence really stops it?"""

__version__ = "0.1.0"

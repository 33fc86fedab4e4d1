"""A web page about a reconstruction: photos, renders beside truth, depth, errors, numbers.

The page is one HTML file with its style and script inside and pictures beside it; it loads nothing
from elsewhere and can be moved, sent or published together with the folders it links to.
"""

from sparse3d.view.report.page import Story, write_report

__all__ = ["Story", "write_report"]

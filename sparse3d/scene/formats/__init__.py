"""Disk formats, one file each: recognise by content, read, write."""

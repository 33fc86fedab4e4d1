"""Pictures of scenes and of what became of them: files, pages, windows."""

"""What people look at: the console, tables, strips of ranked images."""

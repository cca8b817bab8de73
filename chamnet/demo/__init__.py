"""A synthetic world that writes the files a user would bring."""

"""Other people's libraries, one line each; each is imported when its integration is asked for."""

"""Records a coding assistant's sessions from its transcripts, and excludes or includes sessions."""

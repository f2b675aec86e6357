"""The tray on a real X screen with a real tray host, driven by mouse and keys."""

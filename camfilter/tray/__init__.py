"""The tray icon and the window: one face of the controller. Qt is imported only in here."""

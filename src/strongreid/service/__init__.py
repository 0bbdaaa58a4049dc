"""An HTTP service and one page to search a gallery with a photograph. The one door to fastapi, uvicorn, prometheus."""

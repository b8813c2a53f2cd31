"""The retrieval service: HTTP api, worker, command line, client."""

"""The only package that touches client sockets: listening, HTTP and WebSocket connections, drain."""

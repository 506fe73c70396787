"""A server that follows people: clients push frames over a WebSocket and get results, a web page shows them live.

    /               the page
    /facts          JSON: classes, background, feature size, frames a second, limits
    /people         JSON: who is followed now
    /stream?name=N  WebSocket: a message of k frames, raw little-endian float32 [k, D], is answered by one JSON message
                    of k results; one stream a connection
    /watch?name=N   WebSocket: the results so far of that person, then each new one; a slow watcher loses the oldest

The next message of a client is read when the one before is answered, so a client that sends faster than it is served is
slowed by its own connection and nothing piles up here. Whoever breaks a limit is told why and closed; nobody else
notices. Connections that never finish asking for anything are the affair of the web server (uvicorn), which has no
time-out for them: where strangers can reach it, put a proxy in front. Needs the extra `[serve]`.
"""

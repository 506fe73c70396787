"""A server: clients push frames over a WebSocket and get results, a web page shows the results live.

    /               the page
    /facts          JSON: classes, their looks, background, feature size, frames per second, limits
    /people         JSON: names of the connected clients' streams
    /stream?name=N  WebSocket: a message of k frames, raw little-endian float32 [k, D], is answered by one JSON message
                    of k results; each connection has one stream; with &resume=1, the first message is {"next_frame": N}
    /watch?name=N   WebSocket: what a page needs of stream N so far, then lists of new results; a slow watcher loses the
                    oldest; with &pictures=1, a JPEG may come before such a list: the picture of its last frame. The
                    watcher answers such a list with any message, and gets nothing more before; with &brief=1, it
                    answers every list, and gets fewer results
    /overview       WebSocket: a row of each person, then what has changed of the rows, twice a second

The server reads a client's next message after it has answered the one before. So a client that sends too fast is slowed
by its own connection, and no queue grows here. A client that breaks a limit gets the reason and is disconnected; other
clients do not notice. A request that never ends is ended, and a new connection ends the oldest of too many. Needs the
extra `[serve]`.
"""

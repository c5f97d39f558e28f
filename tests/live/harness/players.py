# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Programs that break something, or are well, for `diagnose` to look at.

Each runs in a namespace of its own behind HEAD. It says that it is ready once what it needs is
there, and goes on when it is told to. One that stays says when it has done all that it does.
"""

HEAD = """
import ctypes, errno, fcntl, os, random, resource, select, signal, socket, struct, sys
import threading, time

def ready():
    print("ready", flush=True)
    sys.stdin.readline()

def attempt(function, *arguments):
    try:
        return function(*arguments)
    except OSError:
        return None

def connecting(count, *address):
    made = [socket.socket() for _ in range(count)]
    for s in made:
        s.setblocking(False)
        attempt(s.connect, address)
    return made

def name(text):
    open("/proc/self/comm", "w").write(text)

def stay():
    print("done", flush=True)
    sys.stdin.read()

def fork(title):
    # The child ends with its parent, even while it is stopped.
    if os.fork():
        return False
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    name(title)
    return True
"""

# The peer of the processes that lose what they send.
PEER = """
name("peer")
def serve(port, end):
    listener = socket.create_server(("0.0.0.0", port), backlog=64)
    def run():
        while True:
            end(listener.accept()[0])
    threading.Thread(target=run, daemon=True).start()
kept = []
serve(8000, kept.append)
serve(8001, lambda s: s.close())
later = []
serve(8002, later.append)
serve(8003, kept.append)
ready()
time.sleep(3)
for s in later:
    s.close()
stay()
"""

# A client whose segments are lost from the moment at which it is told to go on.
GONE = """
name("gone")
peer = sys.argv[1]
def connect(port, count):
    return [socket.create_connection((peer, port)) for _ in range(count)]
talks, closes, shut, alive = connect(8000, 2), connect(8000, 6), connect(8003, 6), connect(8000, 4)
for s in shut:
    s.shutdown(socket.SHUT_WR)
both = connect(8002, 6)
last = connect(8001, 6)
time.sleep(.3)
ready()
for s in alive:
    for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1),
                          (socket.TCP_KEEPCNT, 2)):
        s.setsockopt(socket.IPPROTO_TCP, option, value)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
for s in talks:
    s.send(b"x" * 1000)
for s in closes + both + last:
    s.close()
syns = connecting(4, peer, 9000)
stay()
"""

# A namespace in which much goes wrong without others.
LOCAL = """
name("broken")
full = socket.socket(); full.bind(("127.0.0.1", 8080)); full.listen(2)
waiting = []
for _ in range(6):
    s = socket.socket(); s.setblocking(False); attempt(s.connect, ("127.0.0.1", 8080))
    waiting.append(s)
itself = socket.socket(); itself.bind(("127.0.0.1", 45678)); itself.connect(("127.0.0.1", 45678))
sink = socket.create_server(("127.0.0.1", 8081), backlog=64)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
files = [open("/dev/null") for _ in range(42)]
ready()
for turn in range(60):
    s = socket.socket(); attempt(s.connect, ("127.0.0.1", 9)); s.close()
    s = socket.socket(); attempt(s.connect, ("203.0.113.9", 80)); s.close()
    s = socket.socket(); attempt(s.bind, ("127.0.0.1", 8080)); s.close()
    if turn < 12:
        s = socket.create_connection(("127.0.0.1", 8081)); t, _ = sink.accept()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)); s.close()
        t.close()
    time.sleep(.1)
stay()
"""

# It has more connections than local ports, and more timewait sockets than are allowed.
PORTS = """
name("busy")
listener = socket.create_server(("127.0.0.1", 8080), backlog=64)
ready()
for _ in range(60):
    s = socket.socket()
    if attempt(s.connect, ("127.0.0.1", 8080)) is None and s.getsockname()[1]:
        t, _peer = listener.accept()
        s.close(); t.close()
    else:
        s.close()
    time.sleep(.05)
stay()
"""

SCAN = """
name("scanner")
ready()
for host in range(1, 31):
    s = socket.socket(); attempt(s.connect, (f"127.0.1.{host}", 4444)); s.close()
stay()
"""

# This runs behind the router that the server is.
UNREACHABLE, LOST = "10.50.0", "10.51.0"

# An ICMP error comes while connect() has the socket; a non-blocking client learns of it by
# SO_ERROR. Others get no answer and soon give up, and some use many ports of one host. A router
# whose route is unreachable sends one error a second: without icmp_ratelimit, older kernels do not
# save up the right to send more.
GIVER = """
name("giver")
ready()
for turn in range(4):
    time.sleep(1.1)
    s = socket.socket(); s.setblocking(False); attempt(s.connect, ("10.50.0.1", 7000))
    select.select([], [s], [], .3); s.close()
for port in range(100, 140):
    s = socket.socket(); attempt(s.connect, (sys.argv[1], port)); s.close()
for turn in range(4):
    s = socket.socket(); s.settimeout(1.3); attempt(s.connect, ("10.51.0.1", 9001)); s.close()
for turn in range(6):
    s = socket.socket(); s.settimeout(.4); attempt(s.connect, ("10.51.0.1", 9002)); s.close()
stay()
"""

# Workers with a connection each, none of which is answered.
WORKERS = """
name("workers")
ready()
for number in range(4):
    if fork("worker"):
        s = socket.socket(); s.settimeout(120); attempt(s.connect, ("10.51.0.1", 9003))
        os._exit(0)
stay()
"""

# A client whose data is lost, and whose kernel does not try for long.
DIES = """
name("dies")
talks = [socket.create_connection((sys.argv[1], 8000)) for _ in range(4)]
ready()
for s in talks:
    s.send(b"x" * 100)
stay()
"""

# A server that closes first, and a client that checks now and then that the port answers.
CHECKED = """
listener = socket.create_server(("127.0.0.1", 8080), backlog=64)
if fork("server"):
    while True:
        s, _peer = listener.accept()
        if attempt(s.recv, 10):
            s.send(b"y")
        s.close()
listener.close()
name("checked")
ready()
for turn in range(100):
    with socket.create_connection(("127.0.0.1", 8080)) as s:
        s.send(b"x"); s.recv(10); s.recv(10)
    if turn % 20 == 0:
        s = socket.create_connection(("127.0.0.1", 8080))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)); s.close()
    time.sleep(.05)
stay()
"""

# A server with a thread for each connection.
DATABASE = """
name("database")
listener = socket.create_server(("0.0.0.0", 5432), backlog=64)
def answer(s):
    while attempt(s.recv, 100):
        s.send(b"y")
def serve():
    while True:
        threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()
threading.Thread(target=serve, daemon=True).start()
ready()
stay()
"""

# A client that vanishes with a pool of connections, without a word, and comes back with another.
POOL = """
name("pool")
def ask(s):
    s.send(b"x"); s.recv(100)
def connect():
    pool = [socket.create_connection((sys.argv[1], 5432)) for _ in range(12)]
    for s in pool:
        ask(s)
    return pool
pool = connect()
ready()
for s in pool:
    s.setsockopt(socket.IPPROTO_TCP, 19, 1)  # TCP_REPAIR: no FIN is sent
    s.close()
time.sleep(3)
pool = connect()
while True:
    for s in pool[:6]:
        ask(s)
    time.sleep(.5)
"""

# Half closed, and at work: one side reads on what the other still sends.
HALF = """
name("half")
listener = socket.create_server(("127.0.0.1", 8080), backlog=64)
pairs = []
for _ in range(6):
    s = socket.create_connection(("127.0.0.1", 8080)); t, _peer = listener.accept()
    s.shutdown(socket.SHUT_WR); pairs.append((s, t))
ready()
while True:
    for s, t in pairs:
        t.send(b"x" * 100); s.recv(100)
    time.sleep(.2)
"""

LISTENER = """
name("flooded")
listener = socket.create_server(("0.0.0.0", 8080), backlog=128)
ready()
stay()
"""

# No SYN-ACK reaches these clients.
FLOOD = """
name("flood")
ready()
clients = connecting(40, sys.argv[1], 8080)
stay()
"""

# Two listeners share a port, and one of them accepts nothing.
SHARED = """
name("shared")
def listen():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind(("127.0.0.1", 8080)); s.listen(64)
    return s
listening, begun = os.pipe()
if fork("awake"):
    awake = listen()
    os.write(begun, b"x")
    while True:
        awake.accept()[0].close()
os.read(listening, 1)
asleep = listen()
ready()
for _ in range(40):
    attempt(socket.create_connection, ("127.0.0.1", 8080))
stay()
"""

# A server that has an io_uring, through which it might accept.
RING = """
name("ring")
full = socket.socket(); full.bind(("127.0.0.1", 8080)); full.listen(2)
ring = ctypes.CDLL(None).syscall(425, 8, (ctypes.c_uint32 * 30)())  # io_uring_setup()
waiting = [socket.create_connection(("127.0.0.1", 8080)) for _ in range(3)]
ready()
stay()
"""

# A program that tries each name over IPv6 first, where nobody listens and there is no route, and
# takes IPv4 then.
DUAL = """
listener = socket.create_server(("127.0.0.1", 8080), backlog=64)
if fork("four"):
    while True:
        with listener.accept()[0] as s:
            attempt(s.recv, 10)
listener.close()
name("dual")
ready()
while True:
    for address in "::1", "2001:db8::9":
        s = socket.socket(socket.AF_INET6); attempt(s.connect, (address, 8080)); s.close()
        socket.create_connection(("127.0.0.1", 8080)).close()
    time.sleep(.2)
"""

# A server that restarts, and a client that tries again until it is back.
RESTART = """
name("restart")
def serve():
    listener = socket.create_server(("127.0.0.1", 8080), backlog=64)
    while True:
        with listener.accept()[0] as s:
            attempt(s.recv, 10)
ready()
for _ in range(6):
    s = socket.socket(); attempt(s.connect, ("127.0.0.1", 8080)); s.close()
    time.sleep(.3)
threading.Thread(target=serve, daemon=True).start()
while True:
    s = socket.socket(); attempt(s.connect, ("127.0.0.1", 8080)); s.close()
    time.sleep(.3)
"""

# A load balancer that looks once a second whether a port answers, which nobody else uses.
BALANCER = """
listener = socket.create_server(("127.0.0.1", 8080), backlog=64)
if fork("backend"):
    while True:
        with listener.accept()[0] as s:
            attempt(s.recv, 10)
listener.close()
name("balancer")
ready()
while True:
    with socket.create_connection(("127.0.0.1", 8080)) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    time.sleep(1)
"""

# Three workers serve one connection each and accept no other; one was stopped before it accepted.
PREFORK = """
name("prefork")
listener = socket.create_server(("0.0.0.0", 8080), backlog=2)
if fork("stopped"):
    os.kill(os.getpid(), signal.SIGSTOP)
for number in range(3):
    if fork("worker"):
        kept = listener.accept()[0]
        kept.recv(1)
        os._exit(0)
ready()
stay()
"""
PATIENT = """
name("patient")
served = [socket.create_connection((sys.argv[1], 8080)) for _ in range(3)]
ready()
waiting = connecting(8, sys.argv[1], 8080)
stay()
"""

# Each of these processes fails once in each way; only together they are worth a word.
FAMILY = """
name("family")
listener = socket.create_server(("127.0.0.1", 8080), backlog=64)
wait, go = os.pipe()
done, end = os.pipe()
for number in range(8):
    if fork("child"):
        os.close(go)
        left, reset = listener.accept()[0], listener.accept()[0]
        os.read(wait, 1)
        reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        reset.close()
        s = socket.socket(); attempt(s.connect, ("203.0.113.9", 80)); s.close()
        os.write(end, b"x")
        signal.pause()
mine = [socket.create_connection(("127.0.0.1", 8080)) for _ in range(16)]
ready()
os.close(go)
time.sleep(.5)
for s in mine:
    s.close()
for number in range(8):
    os.read(done, 1)
stay()
"""

# A server that closes what its clients do not read: there is no room for the FIN. The clients
# answer each probe.
DEAF = """
name("deaf")
listener = socket.create_server(("127.0.0.1", 8080), backlog=64)
clients = [socket.create_connection(("127.0.0.1", 8080)) for _ in range(6)]
for _ in clients:
    s = listener.accept()[0]
    s.setblocking(False)
    while attempt(s.send, bytes(65536)):
        pass
    s.close()
ready()
stay()
"""

# Servers that cannot have their ports, and a client without a route.
DENIED = """
name("denied")
def bound():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 8080))
    return s
first, second = bound(), bound()
first.listen()
ready()
attempt(second.listen)
for host in range(25):
    s = socket.socket(); attempt(s.connect, (f"203.0.113.{host}", 443)); s.close()
if fork("nobody"):
    os.setresuid(65534, 65534, 65534)
    s = socket.socket(); attempt(s.bind, ("127.0.0.1", 80))
    os._exit(0)
stay()
"""

# A server whose accept() fails, beside one that is too slow, and accepts a connection a second.
FEW_FILES = """
name("few")
full = socket.create_server(("127.0.0.1", 8080), backlog=64)
slow = socket.create_server(("127.0.0.1", 8081), backlog=1)
def call(port):
    s = socket.socket(); s.setblocking(False); attempt(s.connect, ("127.0.0.1", port))
    return s
waiting = [call(8080) for _ in range(4)] + [call(8081) for _ in range(12)]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
ready()
slow.setblocking(False)
for _ in range(2):
    slow.accept()[0].close()
    time.sleep(.5)
files = []
while (file := attempt(open, "/dev/null")):
    files.append(file)
while True:
    attempt(full.accept)
    time.sleep(1)
"""

# These are well: a server at work, a pool of idle connections with keep-alive, and idle clients.
WELL = """
name("well")
listener = socket.create_server(("127.0.0.1", 8080), backlog=512)
def serve():
    while True:
        s, _ = listener.accept()
        threading.Thread(target=answer, args=(s,), daemon=True).start()
def answer(s):
    while s.recv(100):
        s.send(b"y" * 100)
    s.close()
threading.Thread(target=serve, daemon=True).start()
pool = [socket.create_connection(("127.0.0.1", 8080)) for _ in range(50)]
for s in pool:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
idle = [socket.create_connection(("127.0.0.1", 8080)) for _ in range(50)]
deferred = socket.create_server(("127.0.0.1", 8081), backlog=64)
deferred.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 60)
silent = [socket.create_connection(("127.0.0.1", 8081)) for _ in range(40)]
ready()
while True:
    with socket.create_connection(("127.0.0.1", 8080)) as s:
        s.send(b"x"); s.recv(100)
    time.sleep(.005)
"""

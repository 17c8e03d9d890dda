# SPDX-License-Identifier: GPL-2.0-only
"""What the documents show: stories with real programs, run on terminals (terminal.py).

SCREENS: name -> Screen, kept in docs/screens. OUTPUTS: name -> Output, kept in the documents below a line
`<!-- output: NAME -->`. porttrace sees every namespace: so that several stories can run at once, each has ports of its
own, and each that watches a user a user of its own.
"""

import collections
import re

from documents import shape
from terminal import Machine

SIZES = ((80, 24), (120, 40))  # of the terminals of docs/screens
MAN_COLUMNS = 78  # of an example in a man page on a terminal of 80 columns (tools/man-page)

# steps(machine) runs the story. matters: regular expressions for lines, in this order, where the number of lines and
# what is in them depend on how fast the machine is; None: every line matters.
Screen = collections.namedtuple("Screen", "steps user matters")
# like: a function of the text that leaves what every kernel prints; edit: one that leaves out what a reader does not need.
Output = collections.namedtuple("Output", "steps columns like edit user")

SCREENS, OUTPUTS = {}, {}


def screen(name, user="root", matters=None):
    def register(steps):
        SCREENS[name] = Screen(steps, user, matters)
        return steps

    return register


def output(name, columns=MAN_COLUMNS, like=str, edit=str, user="root"):
    def register(steps):
        OUTPUTS[name] = Output(steps, columns, like, edit, user)
        return steps

    return register


def run_screen(name, porttrace):
    """{"80x24": text, "120x40": text}"""
    with Machine(porttrace, SIZES, SCREENS[name].user) as machine:
        SCREENS[name].steps(machine)
        return machine.screens()


def run_output(name, porttrace):
    """The text of the terminal from the command on, without the last prompt."""
    with Machine(porttrace, [(OUTPUTS[name].columns, 50)], OUTPUTS[name].user) as machine:
        OUTPUTS[name].steps(machine)
        return OUTPUTS[name].edit(re.sub(r"\n[#$]\Z", "", machine.lines()))


def is_like_screen(name, kept, text):
    """Whether both show the same, apart from what differs between two runs."""
    matters = SCREENS[name].matters
    if matters:
        return all(re.search("(?s:.*?)".join(matters), each, re.M) for each in (kept, text))
    return shape(kept) == shape(text)


def is_like_output(name, kept, text):
    like = OUTPUTS[name].like
    return shape(like(kept)) == shape(like(text))


# ---- programs ------------------------------------------------------------------------------------

# Accepts and keeps connections.
SERVER = """import socket, sys
server = socket.create_server((sys.argv[1], int(sys.argv[2])), backlog=1000,
                              family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
print("ready", flush=True)
kept = []
while True:
    kept.append(server.accept())
"""

# Keeps its connections until it cannot make one more.
WORKER = """import socket, sys
kept = []
while True:
    try:
        kept.append(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
    except OSError as error:
        print("cannot connect:", error, flush=True)
        break
input()
"""

# Twenty crashes of a program whose port is in use, and 500 short connections.
FLOOD = """import socket, subprocess, sys
port = sys.argv[1]
bind = f"import socket; socket.create_server(('127.0.0.1', {port}))"
for _ in range(20):
    subprocess.run([sys.executable, "-c", bind], stderr=subprocess.DEVNULL)
for _ in range(500):
    socket.create_connection(("127.0.0.1", int(port))).close()
input()
"""

# A server that answers one client and closes first, which leaves a TIME_WAIT on its port.
ONE_SHOT = """import socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
    with socket.create_connection(server.getsockname()) as client:
        server.accept()[0].close()
        client.recv(1)
print("done", flush=True)
"""

NGINX = """user www-data;
pid /run/nginx.pid;
events {}
http {
    server { listen 80; }
}
"""


def web(machine, port, user="alice"):
    """A web server in a directory of its user."""
    machine.inside(f"mkdir -p /home/{user}/shop")
    return machine.start(f"python3 -m http.server {port}", user, f"/home/{user}/shop", until="Serving HTTP")


def serve(machine, port, user="root", address="127.0.0.1"):
    machine.write("/srv/server.py", SERVER)
    return machine.start(f"python3 server.py {address} {port}", user, "/srv", until="^ready")


# ---- docs/screens --------------------------------------------------------------------------------


@screen("port-in-use")
def port_in_use(machine):
    """Port 3000 is in use: alice's server runs, and bob starts redis there."""
    web(machine, 3000)
    machine.type("porttrace 3000")
    machine.wait("^TIME ")
    machine.start("redis-server --port 3000 --bind 0.0.0.0", "bob")
    machine.wait("^ +or +Start")


@screen("nginx-does-not-start")
def nginx_does_not_start(machine):
    """nginx will not start: another server holds port 80."""
    machine.write("/run/nginx.conf", NGINX)
    machine.start("python3 -m http.server 80", cwd="/srv", until="Serving HTTP")
    machine.run("nginx -c /run/nginx.conf")
    machine.run("porttrace why 80")


@screen("service-cannot-connect")
def service_cannot_connect(machine):
    """A service keeps its connections until no ephemeral port is left."""
    machine.inside("sysctl -qw net.ipv4.ip_local_port_range='40000 40063'")
    machine.write("/srv/worker.py", WORKER)
    serve(machine, 6432)
    machine.type("porttrace -x -u worker")
    machine.wait("^TIME ")
    machine.start("python3 worker.py 6432", "worker", "/srv", until="^cannot connect")
    machine.wait("^ +or ")


@screen("port-of-a-container")
def port_of_a_container(machine):
    """New network and pid namespaces, made by unshare, stand in for a container."""
    machine.start("unshare --net --pid --fork --mount-proc python3 -m http.server 8090", cwd="/srv", until="Serving HTTP")
    machine.run("porttrace ls 8090")
    machine.run("porttrace why 8090")


FLOODED = (
    r"^porttrace .* watching (?:user batch|uid 3004)(?: · Ctrl-C to end)?$",
    r"^\S+ +bind +\d+ +python3 +tcp +127\.0\.0\.1:7432 +EADDRINUSE",
    r"^ +in use +python3\[\d+\] root, up .*: LISTEN 127\.0\.0\.1:7432",
    r"^ +do +kill \d+$",
    r"^\S+ +again ×\d+ python3\[[\d.]+\] tcp \S+:7432 EADDRINUSE",
    r"^\S+ +connect +\d+ +python3 +tcp +127\.0\.0\.1:\d+ +-> 127\.0\.0\.1:7432$",
    r"^\S+ +\+\d+ connect +python3\[\d+\] tcp -> 127\.0\.0\.1:7432",
)


@screen("flood", matters=FLOODED)
def flood(machine):
    """A program crashes again and again because its port is in use; then a client connects 500 times."""
    machine.write("/srv/flood.py", FLOOD)
    serve(machine, 7432)
    machine.type("porttrace -u batch")
    machine.wait("^TIME ")
    machine.start("python3 flood.py 7432", "batch", "/srv")
    machine.wait(FLOODED[-1])


@screen("ipv6-only")
def ipv6_only(machine):
    """A server on [::] with IPV6_V6ONLY, which IPv4 does not reach."""
    serve(machine, 8091, "alice", "::")
    machine.run("curl http://127.0.0.1:8091")
    machine.run("porttrace why --connect 127.0.0.1:8091")


@screen("no-root", user="alice")
def no_root(machine):
    """What a user without privileges sees."""
    web(machine, 3001)
    machine.run("porttrace 3001")
    machine.run("porttrace why 3001")
    machine.run("porttrace ls -l")


# ---- README.md -----------------------------------------------------------------------------------


@output("port-in-use", columns=80)
def readme(machine):
    port_in_use(machine)
    machine.interrupt()


# ---- the man pages -------------------------------------------------------------------------------


@output("porttrace")
def stream(machine):
    machine.type("porttrace 8092")
    machine.wait("^TIME ")
    server = web(machine, 8092)
    machine.wait(" listen ")
    machine.start("redis-server --port 8092 --bind 0.0.0.0", "bob", until="Failed listening")
    machine.wait("^ +or +Start")
    machine.stop(server)
    machine.wait(" close ")
    machine.interrupt()


@output("porttrace-failed")
def failed(machine):
    machine.type("porttrace -x -u carol")
    machine.wait("^TIME ")
    machine.start("curl http://127.0.0.1:8093", "carol", until="^curl: ")
    machine.wait("^ +do ")
    machine.interrupt()


@output("why")
def why(machine):
    web(machine, 8094)
    machine.run("porttrace why 8094")


@output("why-timewait")
def why_timewait(machine):
    machine.write("/srv/one-shot.py", ONE_SHOT)
    machine.start("python3 one-shot.py 8095", cwd="/srv", until="^done")
    machine.run("porttrace why 8095")


@output("ls")
def ls(machine):
    web(machine, 8096)
    machine.start("redis-server --port 8097", "bob", until="Ready to accept")
    machine.run("porttrace ls -l -N /proc/self/ns/net")


@output("ls-no-root", user="alice")
def ls_no_root(machine):
    web(machine, 8098)
    serve(machine, 8099)
    machine.run("porttrace ls 8098-8099")


@output("why-no-root", user="alice")
def why_no_root(machine):
    serve(machine, 8099)
    machine.run("porttrace why 127.0.0.1:8099")


def record_refusal(machine, port):
    """In the file are the start of a server, a refusal, and the end of the server."""
    machine.type(f"porttrace record ports.ptr {port}")
    machine.wait("^porttrace ")
    server = web(machine, port)
    machine.start(f"redis-server --port {port} --bind 0.0.0.0", "bob", until="Failed listening")
    machine.stop(server)
    machine.until(lambda: "Keyboard interrupt" in machine.lines(server), "the server ends")
    machine.interrupt()


@output("record")
def record(machine):
    record_refusal(machine, 8099)
    machine.run("porttrace replay ports.ptr -x --time=relative")


@output("replay")
def replay(machine):
    record_refusal(machine, 8100)
    machine.forget()
    machine.run("porttrace replay ports.ptr -e bind,listen,close --time=relative")


# A client that closes first: each of its connections leaves a TIME_WAIT.
CLIENT = """import socket, sys, time
while True:
    socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()
    time.sleep(0.01)
"""


def pools_and_processes(text):
    """Their rows, without numbers, which depend on how busy the machine is, and without port-search times, which
    tracepoints do not measure."""
    rows = re.findall(r"^ +(?:POOL|PROCESS|time-wait|127|python3).*", text, re.M)
    rows = [re.sub(r"[\d.,]+( s)?(?=[ %/]|$)|-$", "N", row) for row in rows]
    return "\n".join(dict.fromkeys(re.sub(" +", " ", row) for row in rows))


@output("ephemeral", columns=88, like=pools_and_processes)
def ephemeral(machine):
    machine.inside("sysctl -qw net.ipv4.ip_local_port_range='40000 40999'")
    machine.write("/srv/client.py", CLIENT)
    serve(machine, 6433)
    machine.start("python3 client.py 6433", "worker", "/srv")
    machine.run("porttrace ephemeral -n 1 -N /proc/self/ns/net")


def names_only(text):
    """The lines of doctor that are the same on every kernel: its titles, and the names of features and facts."""
    return "\n".join(re.findall(r"^(?:  )?[\w-]+(?: [\w-]+)*(?=  |$)", text, re.M))


def first_rows(text):
    """The features, and the first rows of each other table."""
    tables = []
    for table in text.split("\n\n"):
        title, *rows = re.split(r"\n(?=  \S| {19}fentry)", table)
        shown = rows if "privileges" in title or len(rows) < 5 else [*rows[:3], "..."]
        tables.append("\n".join([title, *shown]))
    return "\n\n".join(tables)


@output("doctor", like=names_only, edit=first_rows)
def doctor(machine):
    machine.run("porttrace doctor")

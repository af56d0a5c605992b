# The program that asks the server of `forking.py` for a fork; that writes it with the three
# settings filled in. Only what is built into Python is imported: this is all that a command pays
# for its start.
import _signal
import _socket
import posix
import resource
import sys

SOCKET, PYTHON, USER = "", "", 0
DECIDES_THE_START = (b"PYTHON", b"LC_", b"LANG", b"LD_", b"TZ")
LIMITS = (
    resource.RLIMIT_FSIZE,
    resource.RLIMIT_NOFILE,
    resource.RLIMIT_CORE,
    resource.RLIMIT_AS,
    resource.RLIMIT_NPROC,
)
PASSED_ON = (
    _signal.SIGTERM,
    _signal.SIGINT,
    _signal.SIGHUP,
    _signal.SIGQUIT,
    _signal.SIGUSR1,
    _signal.SIGUSR2,
    _signal.SIGCONT,
)


def start():
    """Starts Python in this process' place."""
    call = "import sys; sys.argv[0] = 'licet'; from licet.cli import main; main()"
    posix.execv(PYTHON, [PYTHON, "-c", call, *sys.argv[1:]])


def told():
    mask = posix.umask(0)
    posix.umask(mask)
    limits = [b"%d:%d" % resource.getrlimit(limit) for limit in LIMITS]
    ignored = [
        b"%d" % number
        for number in range(1, 32)
        if _signal.getsignal(number) == _signal.SIG_IGN and number != _signal.SIGPIPE
    ]
    words = [word.encode(sys.getfilesystemencoding(), "surrogateescape") for word in sys.argv[1:]]
    environment = [b"%s=%s" % pair for pair in posix.environ.items()]
    start_settings = sorted(pair for pair in environment if pair.startswith(DECIDES_THE_START))
    parts = [
        posix.getcwdb(),
        b"%d" % mask,
        b" ".join(limits),
        b" ".join(ignored),
        b"%d" % len(words),
        *words,
        b"%d" % len(start_settings),
        *start_settings,
        *environment,
    ]
    return b"\0".join(parts)


def main():
    files = []
    for number in (0, 1, 2):
        try:
            posix.fstat(number)
        except OSError:
            start()
        files.append(number)
    if posix.geteuid() != USER or any(posix.isatty(number) for number in files):
        start()
    server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        server.connect(SOCKET)
    except OSError:
        start()
    waiting = []

    def passes_on(number, _frame):
        try:
            server.send(b"%c" % number)
        except OSError:
            waiting.append(number)

    for number in PASSED_ON:
        if _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, passes_on)
    text = told()
    numbers = b"".join(number.to_bytes(4, sys.byteorder) for number in files)
    server.sendmsg(
        [len(text).to_bytes(8, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, numbers)]
    )
    sent = 0
    while sent < len(text):
        sent += server.send(text[sent:])
    for number in files:
        posix.close(number)  # who reads what the command writes sees its end when the command ends
    answer = b""
    while len(answer) < 4:
        got = server.recv(4 - len(answer))
        if not got:
            posix._exit(70)
        answer += got
    status = int.from_bytes(answer, "big")
    if posix.WIFSIGNALED(status):
        number = posix.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if number != _signal.SIGKILL:
            _signal.signal(number, _signal.SIG_DFL)
        posix.kill(posix.getpid(), number)
        _signal.pause()
    posix._exit(posix.WEXITSTATUS(status))


main()

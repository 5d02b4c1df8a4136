"""A process that tells a worker what happens, until it is killed. Run as `teller.py SQLDIR URL`.

Events count up, `client_event` with the number as its data, over three channels.
"""

import sys
import time

from pushery.core.apps import Directory
from pushery.core.appsettings import Webhook
from pushery.node.system import SystemClock
from pushery.workers import WebhookOptions, WebhookWorker
from tests.workers.worlds import QUICK, an_app, occupied, said


def main() -> None:
    sqldir, url = sys.argv[1:3]
    app = an_app(Webhook(url=url))
    worker = WebhookWorker(sqldir, Directory([app]), SystemClock(), WebhookOptions(**QUICK))
    worker.start()
    worker.happened(app, occupied("c0"))
    number = 0
    while True:
        for _ in range(20):
            worker.happened(app, said(f"c{number % 3}", str(number)))
            number += 1
        time.sleep(0.002)  # how fast things happen; nobody waits for it


if __name__ == "__main__":
    main()

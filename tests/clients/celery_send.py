"""Sends tasks: a line of stdin is a task's name, its id, its positional arguments as JSON, and options as JSON; or
`revoke` and an id."""

import json
import sys

from celery_tasks import app

print("ready", flush=True)
for line in sys.stdin:
    words = line.split(maxsplit=3)
    if words[0] == "revoke":
        app.control.revoke(words[1])
    else:
        name, task_id, args, options = words
        app.send_task(f"celery_tasks.{name}", json.loads(args), task_id=task_id, **json.loads(options))
    print("sent", words[1], flush=True)

"""Celery tasks for the tests: each does, step by step, what the test pushes to the list `step:<task id>` in the
Redis CELERY_STEPS."""

import json
import os

import redis
from celery import Celery

url = os.environ["CELERY_REDIS"]
app = Celery("celery_tasks", broker=url, backend=os.environ.get("CELERY_BACKEND", url))
app.conf.update(json.loads(os.environ.get("CELERY_CONF", "{}")))
# A step may be long in coming: the default timeout would end the task.
steps_of = redis.Redis.from_url(os.environ["CELERY_STEPS"], socket_timeout=None)


@app.task
def add(x, y):
    return x + y


@app.task(bind=True)
def steps(self, *_args, **_kwargs):
    while True:
        _, text = steps_of.blpop(f"step:{self.request.id}")
        step = json.loads(text)
        if "return" in step:
            return step["return"]
        if "raise" in step:
            raise OSError(*step["raise"])
        if "retry" in step:
            raise self.retry(exc=ValueError(step["retry"]), countdown=0)
        self.update_state(state=step["state"], meta=step["meta"])

# syntax=docker/dockerfile:1
FROM python:3.12-slim AS runtime

WORKDIR /srv
COPY api/requirements.txt ./
RUN --mount=type=secret,id=DEPLOY_TOKEN,env=DEPLOY_TOKEN pip install --no-cache-dir -r requirements.txt

COPY api/main.py ./
CMD ["python", "main.py"]

FROM runtime AS debug
RUN apt-get update && apt-get install -y --no-install-recommends strace
CMD ["python", "-X", "dev", "main.py"]

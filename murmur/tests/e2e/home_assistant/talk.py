"""Talks to a Home Assistant by its REST and websocket APIs, as a browser would.

Argument: its address. Reads one request per line and answers each by a line, all of it JSON: {"get": PATH}, {"post": PATH,
"data": ...}, {"upload": TEXT} of a file, {"ws": {"type": ...}}. Before the first, it waits until Home Assistant is there and, if it is new, sets up its owner.
"""

import asyncio
import json
import sys

import aiohttp

ADDRESS = sys.argv[1]
# For a machine that has much else to do, in seconds.
PATIENCE = 120
OWNER = {"client_id": ADDRESS, "name": "Owner", "username": "owner", "password": "owner-1", "language": "en"}


async def reach(session):
    """Waits until it is there; the steps of its setup."""
    while True:
        try:
            async with session.get(f"{ADDRESS}/api/onboarding") as answer:
                if answer.status == 200:
                    return await answer.json()
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(0.2)


async def log_in(session):
    """An access token, good for half an hour."""
    steps = await asyncio.wait_for(reach(session), PATIENCE)
    if any(step["step"] == "user" and not step["done"] for step in steps):
        async with session.post(f"{ADDRESS}/api/onboarding/users", json=OWNER) as answer:
            code = (await answer.json())["auth_code"]
    else:
        flow = {"client_id": ADDRESS, "handler": ["homeassistant", None], "redirect_uri": ADDRESS}
        async with session.post(f"{ADDRESS}/auth/login_flow", json=flow) as answer:
            flow = (await answer.json())["flow_id"]
        login = {"client_id": ADDRESS, "username": OWNER["username"], "password": OWNER["password"]}
        async with session.post(f"{ADDRESS}/auth/login_flow/{flow}", json=login) as answer:
            code = (await answer.json())["result"]
    grant = {"client_id": ADDRESS, "grant_type": "authorization_code", "code": code}
    async with session.post(f"{ADDRESS}/auth/token", data=grant) as answer:
        return (await answer.json())["access_token"]


async def by_websocket(session, token, request):
    async with session.ws_connect(f"{ADDRESS}/api/websocket", max_msg_size=0) as socket:
        await socket.receive_json()
        await socket.send_json({"type": "auth", "access_token": token})
        await socket.receive_json()
        await socket.send_json({"id": 1, **request})
        return await socket.receive_json()


async def answer(session, token, request):
    if "ws" in request:
        return await by_websocket(session, token, request["ws"])
    headers = {"Authorization": f"Bearer {token}"}
    if "upload" in request:
        form = aiohttp.FormData()
        form.add_field("file", request["upload"].encode(), filename="ca.pem")
        async with session.post(f"{ADDRESS}/api/file_upload", data=form, headers=headers) as told:
            return await told.json()
    method, path = ("GET", request["get"]) if "get" in request else ("POST", request["post"])
    url = ADDRESS + path
    async with session.request(method, url, json=request.get("data"), headers=headers) as told:
        if told.status != 200:
            return {"status": told.status, "text": await told.text()}
        return await told.json()


async def main():
    async with aiohttp.ClientSession() as session:
        token = await log_in(session)
        # Without, it takes its address for a mistake and goes back to its default one with the next start.
        await by_websocket(session, token, {"type": "http/config/promote"})
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            print(json.dumps(await answer(session, token, json.loads(line))), flush=True)


asyncio.run(main())

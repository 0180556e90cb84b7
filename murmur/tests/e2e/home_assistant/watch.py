"""Runs Home Assistant with an MQTT broker for a while and prints every state of a sensor of ours as a line of JSON.

Arguments: the folder for its configuration, the broker's port, the password of `home-assistant`, the MQTT version
(3.1.1 or 5). Ends when its standard input does.
"""

import asyncio
import json
import os
import sys

FOLDER, PORT, PASSWORD, PROTOCOL = sys.argv[1:]
ENTRY = {
    "created_at": "2025-01-01T00:00:00+00:00",
    "data": {
        "broker": "127.0.0.1",
        "port": int(PORT),
        "username": "home-assistant",
        "password": PASSWORD,
        "protocol": PROTOCOL,
        "discovery": True,
        "discovery_prefix": "homeassistant",
    },
    "disabled_by": None,
    "discovery_keys": {},
    "domain": "mqtt",
    "entry_id": "0123456789abcdef0123456789abcdef",
    "minor_version": 2,
    "modified_at": "2025-01-01T00:00:00+00:00",
    "options": {},
    "pref_disable_new_entities": False,
    "pref_disable_polling": False,
    "source": "user",
    "subentries": [],
    "title": "MQTT",
    "unique_id": None,
    "version": 1,
}

os.makedirs(f"{FOLDER}/.storage", exist_ok=True)
with open(f"{FOLDER}/configuration.yaml", "w") as file:
    file.write("homeassistant:\n  name: Home\nlogger:\n  default: warning\n")
with open(f"{FOLDER}/.storage/core.config_entries", "w") as file:
    entries = {"version": 1, "minor_version": 5, "key": "core.config_entries", "data": {"entries": [ENTRY]}}
    json.dump(entries, file)

from homeassistant import bootstrap, runner  # noqa: E402  (it looks for its folder when imported)


async def main():
    config = runner.RuntimeConfig(config_dir=FOLDER, skip_pip=False)
    hass = await bootstrap.async_setup_hass(config)
    await hass.async_start()

    def tell(event):
        state = event.data["new_state"]
        if state is not None and state.entity_id.startswith("sensor.murmur"):
            line = {"id": state.entity_id, "state": state.state, "attributes": dict(state.attributes)}
            print(json.dumps(line, default=str), flush=True)

    hass.bus.async_listen("state_changed", tell)
    for state in hass.states.async_all("sensor"):
        tell(type("Event", (), {"data": {"new_state": state}}))
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await hass.async_stop(force=True)


asyncio.run(main())

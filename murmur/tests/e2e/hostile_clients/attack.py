"""Clients that mean harm, at a broker of a site that is at work: raw sockets and paho.

Reads where the broker is and which logins there are from standard input, as JSON; prints one line of JSON per case:
what came of it, in facts. What they have to be is for who started this to say.
"""

import json
import queue
import random
import socket
import ssl
import struct
import sys
import time

import paho.mqtt.client as mqtt

SITE = json.load(sys.stdin)
HOST, PORT, CA = SITE["host"], SITE["port"], SITE["ca"]
MARK = b"FORGED"
PATIENCE = 30


# Packets, as bytes.


def text(value):
    value = value.encode()
    return struct.pack("!H", len(value)) + value


def packet(first, body):
    length, size = b"", len(body)
    while True:
        size, low = divmod(size, 128)
        length += bytes([low | (0x80 if size else 0)])
        if not size:
            return bytes([first]) + length + body


def connect(login, client, will=None, retain=False):
    flags = 0xC2 | (0x0C if will else 0) | (0x20 if will and retain else 0)
    body = text("MQTT") + bytes([4, flags, 0, 60]) + text(client)
    if will:
        body += text(will) + struct.pack("!H", len(MARK)) + MARK
    return packet(0x10, body + text(login["user"]) + text(login["password"]))


def subscribe(topic):
    return packet(0x82, b"\0\1" + text(topic) + b"\1")


def publish(topic, payload, retain=False, qos=1):
    head = text(topic) + (b"\0\1" if qos else b"")
    return packet(0x30 | (2 if qos else 0) | retain, head + payload)


def dial_bare():
    stream = socket.create_connection((HOST, PORT), timeout=PATIENCE)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


def dial():
    """A stream on which MQTT is spoken: with TLS if the broker has that."""
    stream = dial_bare()
    return ssl.create_default_context(cafile=CA).wrap_socket(stream, server_hostname=HOST) if CA else stream


def logged_in(login, client):
    stream = dial()
    stream.sendall(connect(login, client))
    answer = stream.recv(4)
    assert answer == b"\x20\2\0\0", f"{client}: {answer!r}"
    return stream


def hung_up(stream, within=PATIENCE):
    """Whether the broker ends the connection, whatever it says before."""
    end = time.monotonic() + within
    try:
        while time.monotonic() < end:
            stream.settimeout(max(0.01, end - time.monotonic()))
            if not stream.recv(65536):
                return True
    except TimeoutError:
        return False
    except OSError:
        return True
    return False


# Clients that behave as libraries do.


class Client:
    """paho, with what it was told in queues."""

    def __init__(self, login, name, version=mqtt.MQTTv311):
        self.heard, self.granted, self.acknowledged, ready = queue.Queue(), queue.Queue(), queue.Queue(), queue.Queue()
        self.mqtt = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=version)
        if login:
            self.mqtt.username_pw_set(login["user"], login["password"])
        self.mqtt.on_connect = lambda c, u, flags, reason, p: ready.put(reason)
        self.mqtt.on_subscribe = lambda c, u, mid, reasons, p: self.granted.put(reasons[0])
        self.mqtt.on_publish = lambda c, u, mid, reason, p: self.acknowledged.put(reason)
        self.mqtt.on_message = lambda c, u, message: self.heard.put(message)
        if CA:
            self.mqtt.tls_set(ca_certs=CA)
        self.mqtt.connect(HOST, PORT)
        self.mqtt.loop_start()
        self.reason = ready.get(timeout=PATIENCE)

    def subscribe(self, topic):
        self.mqtt.subscribe(topic, qos=1)
        return self.granted.get(timeout=PATIENCE)

    def publish(self, topic, payload, retain=False):
        self.mqtt.publish(topic, payload, qos=1, retain=retain)
        return self.acknowledged.get(timeout=PATIENCE)

    def until(self, wanted):
        """What comes up to the first message that is wanted, which is the last of the list."""
        came, end = [], time.monotonic() + PATIENCE
        while True:
            message = self.heard.get(timeout=max(0.01, end - time.monotonic()))
            came.append(message)
            if wanted(message):
                return came

    def close(self):
        self.mqtt.disconnect()
        self.mqtt.loop_stop()


def topic(rest):
    return f"murmur/{SITE['site']}/{rest}"


def is_result(message):
    return not message.retain and message.topic.startswith(topic("result/")) and MARK not in message.payload


AGENT, READER = SITE["agent"], SITE["reader"]
OWN = AGENT["user"]
SECOND = f"{OWN}.open"


def lookout(name):
    """Sees all that is published from now on."""
    client = Client(READER, name)
    client.subscribe(topic("#"))
    client.subscribe("homeassistant/#")
    return client


# Cases. Each returns facts.


def filters_that_say_too_much():
    """What an agent gets that subscribes more than it may, while a whole window passes."""
    told, seen = {}, set()
    watch = lookout("lookout-filters")
    for version in (mqtt.MQTTv311, mqtt.MQTTv5):
        agent = Client(AGENT, SECOND, version)
        for filter in ("#", "murmur/#", topic("share/#"), topic("peer/#"), topic("operator/+"), "$share/g/" + topic("share/#")):
            told[f"{version} {filter}"] = str(agent.subscribe(filter))
        # Something must come that is not for it: the shares of the window that ends with the next but one result.
        watch.until(is_result)
        came = watch.until(lambda message: message.topic.startswith(topic("share/")) and f"/{OWN}" not in message.topic)
        assert came
        watch.until(is_result)
        while not agent.heard.empty():
            seen.add(agent.heard.get().topic)
        agent.close()
    watch.close()
    secret = [t for t in sorted(seen) if t.split("/")[2:3] in (["share"], ["peer"], ["operator"], ["output"])]
    return {"granted": [f for f, reason in told.items() if reason.startswith("Granted")], "seen": secret}


def forged_messages():
    """What others see of messages that their senders may not send."""
    watch = lookout("lookout-forged")
    topics = [
        topic("result/co2-mean"),
        topic("result/co2-mean/part/0"),
        topic("status/peer-1"),
        topic("card/peer-1"),
        topic("share/peer-1/other"),
        topic("peer/peer-1/peer-2"),
        topic("decision/peer-1/air"),
        topic("audit/peer-1"),
        topic("charter"),
        topic("operator/peer-1"),
        f"homeassistant/sensor/murmur_{SITE['site']}/co2-mean/config",
        "homeassistant/switch/lamp/config",
    ]
    agent, reader, nobody = Client(AGENT, SECOND), Client(READER, "forger"), Client(None, "forger-2")
    for client in (agent, reader, nobody):
        for name in topics:
            for retain in (False, True):
                client.mqtt.publish(name, MARK, qos=1, retain=retain)
    # A message of its own comes after all of them.
    for client in (agent, reader, nobody):
        while client.acknowledged.qsize() < 2 * len(topics):
            time.sleep(0.01)
        client.close()
    came = watch.until(is_result) + watch.until(is_result)
    later = lookout("lookout-later")
    came += later.until(is_result)
    watch.close()
    later.close()
    return {"seen": sorted({m.topic for m in came if MARK in m.payload})}


def retained_shares():
    """Whether a share is kept for those who come later."""
    stream = logged_in(AGENT, SECOND)
    name = topic(f"share/peer-1/{OWN}")
    stream.sendall(publish(name, MARK, retain=True))
    assert stream.recv(4)[:1] == b"\x40"
    later = lookout("lookout-retained")
    came = later.until(is_result)
    kept = any(m.retain and m.topic == name for m in came)
    stream.sendall(publish(name, b"", retain=True))
    stream.close()
    later.close()
    return {"kept": kept}


def foreign_wills():
    """What others see of wills on topics that the client may not publish to."""
    watch, refused = lookout("lookout-wills"), 0
    for name in (topic("status/peer-1"), topic("result/co2-mean"), "homeassistant/sensor/lamp/config"):
        for retain in (False, True):
            stream = dial()
            stream.sendall(connect(AGENT, SECOND, will=name, retain=retain))
            answer = stream.recv(4)
            refused += len(answer) < 4 or answer[3] != 0
            # No DISCONNECT: what it left is published now.
            stream.close()
    came = watch.until(is_result) + watch.until(is_result)
    watch.close()
    return {"refused": refused, "seen": sorted({m.topic for m in came if MARK in m.payload})}


def taken_names():
    """Whether somebody can be thrown out by whoever calls itself the same."""
    held = Client(READER, "held")
    answers = []
    for login, name in ((AGENT, "peer-1"), (AGENT, "held"), (READER, "peer-1"), (READER, OWN)):
        stream = dial()
        stream.sendall(connect(login, name))
        answer = stream.recv(4)
        answers.append(len(answer) == 4 and answer[3] == 0)
        stream.close()
    held.subscribe(topic("result/+"))
    held.until(is_result)
    watch = lookout("lookout-names")
    came = watch.until(is_result)
    watch.close()
    held.close()
    gone = [m.topic for m in came if m.topic == topic("status/peer-1") and b'"online"' not in m.payload]
    return {"let_in": answers, "gone": gone}


def half_open(open_one, beginning):
    """500 connections that go no further, and how long somebody waits who comes meanwhile."""
    streams = []
    for _ in range(500):
        stream = open_one()
        stream.sendall(beginning)
        streams.append(stream)
    took = []
    for number in range(5):
        began = time.monotonic()
        client = Client(READER, f"late-{number}")
        took.append(time.monotonic() - began)
        assert client.reason == 0, client.reason
        client.close()
    watch = lookout("lookout-half")
    watch.until(is_result)
    watch.close()
    for stream in streams:
        stream.close()
    return {"longest_s": round(max(took), 3)}


def half_said_connects():
    return half_open(dial, b"\x10\x40\0\4M")


def half_made_handshakes():
    """Connections that stop within the first message of TLS."""
    said = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), said, server_hostname=HOST)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return half_open(dial_bare, said.read()[:60])


def slow_reader():
    """A reader that subscribes everything and reads nothing, while an agent says much."""
    deaf = dial()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.sendall(connect(READER, "deaf") + subscribe(topic("#")))
    watch, agent = lookout("lookout-deaf"), logged_in(AGENT, SECOND)
    name = topic(f"control/{OWN}")
    for _ in range(600):
        agent.sendall(publish(name, b"x" * 65536, qos=0))
    # Nobody else waits for it.
    watch.until(is_result)
    watch.until(is_result)
    agent.close()
    watch.close()
    ended = False
    end = time.monotonic() + PATIENCE
    while not ended and time.monotonic() < end:
        # What can't be sent any more tells of an end without reading.
        try:
            deaf.sendall(b"\xc0\0")
            time.sleep(0.2)
        except OSError:
            ended = True
    deaf.close()
    return {"cut_off": ended}


def garbage():
    """Bytes that mean nothing, on 300 connections."""
    draw, ended = random.Random(1), 0
    for number in range(300):
        stream = dial_bare() if number % 3 == 0 else dial()
        bytes_ = draw.randbytes(draw.randint(1, 2000))
        if number % 2:
            bytes_ = b"\x10" + bytes_
        try:
            stream.sendall(bytes_)
            stream.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        ended += hung_up(stream)
        stream.close()
    return {"ended": ended, "of": 300}


def mutated_packets():
    """10,000 packets with flipped bits, from clients that are logged in."""
    draw, sent, logins = random.Random(2), 0, 0
    sound = [
        connect(READER, "mutant"),
        subscribe(topic("result/+")),
        publish(topic(f"control/{OWN}"), b"x"),
        packet(0xA2, b"\0\1" + text("a")),
        packet(0x40, b"\0\1"),
        packet(0xC0, b""),
        packet(0xE0, b""),
    ]
    while sent < 10_000:
        stream = logged_in(READER, "mutant")
        logins += 1
        stream.settimeout(0.001)
        try:
            while sent < 10_000:
                bytes_ = bytearray(draw.choice(sound))
                for _ in range(draw.randint(1, 3)):
                    bytes_[draw.randrange(len(bytes_))] ^= 1 << draw.randrange(8)
                stream.sendall(bytes_)
                sent += 1
                try:
                    if not stream.recv(4096):
                        break
                except TimeoutError:
                    pass
        except OSError:
            pass
        stream.close()
    watch = lookout("lookout-mutants")
    watch.until(is_result)
    watch.close()
    return {"sent": sent, "logins": logins}


CASES = {
    case.__name__: case
    for case in (
        filters_that_say_too_much,
        forged_messages,
        retained_shares,
        foreign_wills,
        taken_names,
        half_said_connects,
        half_made_handshakes,
        slow_reader,
        garbage,
        mutated_packets,
    )
}

for name in SITE["cases"]:
    began = time.monotonic()
    facts = CASES[name]()
    facts["took_s"] = round(time.monotonic() - began, 1)
    print(json.dumps({"case": name, **facts}), flush=True)

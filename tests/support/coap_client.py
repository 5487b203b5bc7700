#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CoAP requests that coap-client cannot make, for tests/functional/coap_*.sh.

  coap_client.py post URI PAYLOAD [CONTENT-FORMAT]   by aiocoap; Block1 if it is large; prints the code
  coap_client.py get URI                             by aiocoap; answers an Echo challenge
  coap_client.py raw HOST SECONDS HEX|wait...        datagrams from one socket ("wait": a second in
                                                     between), then every answer for SECONDS as hex,
                                                     one per line; a Confirmable one is acknowledged
"""

import asyncio
import socket
import sys
import time

import aiocoap
from aiocoap.numbers.optionnumbers import OptionNumber

ECHO = OptionNumber(252)


def echo_of(message):
    for option in message.opt.option_list():
        if option.number == ECHO:
            return option.encode()
    return None


async def request(message):
    """The answer; an Echo challenge is met from the same socket, as its endpoint is what counts."""
    context = await aiocoap.Context.create_client_context()
    try:
        first = await asyncio.wait_for(context.request(message).response, 60)
        echo = echo_of(first)
        if echo is None:
            return first
        print(first.code, "with an echo of", len(echo), "bytes")
        again = aiocoap.Message(code=message.code, uri=message.get_request_uri(),
                                payload=message.payload)
        again.opt.add_option(ECHO.create_option(decode=echo))
        return await asyncio.wait_for(context.request(again).response, 60)
    finally:
        await context.shutdown()


def raw(host, seconds, steps):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((host, 5683))
        for step in steps:
            if step == "wait":
                time.sleep(1)
            else:
                s.send(bytes.fromhex(step))
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            s.settimeout(left)
            try:
                answer = s.recv(2048)
            except TimeoutError:
                return
            print(answer.hex(), flush=True)
            if answer[0] >> 4 & 3 == 0:
                s.send(bytes([0x60, 0]) + answer[2:4])


def main():
    command, target, *rest = sys.argv[1:]
    if command == "raw":
        raw(target, float(rest[0]), rest[1:])
        return
    if command == "get":
        response = asyncio.run(request(aiocoap.Message(code=aiocoap.GET, uri=target)))
    else:
        payload = rest[0].encode()
        message = aiocoap.Message(code=aiocoap.POST, uri=target, payload=payload)
        if len(rest) > 1:
            message.opt.content_format = int(rest[1])
        response = asyncio.run(request(message))
    print(response.code, response.payload.decode(errors="replace"))


main()

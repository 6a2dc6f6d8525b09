"""The options that acknowledge.py and worker.py share."""

import argparse
import json
import os
import threading

from gateway import Gateway

# `print` writes a line and its end separately, so threads take turns.
OUTPUT = threading.Lock()


def parser(description):
    """A parser with the options of a `Gateway`."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--target", required=True, help="such as dns:///codepipeline-gateway-headless:50051")
    options.add_argument("--timeout", type=float, default=10, help="seconds per call, retries included, without the wait")
    options.add_argument("--retries", type=int, default=3, help="maximum number of retries; 0: the library doesn't retry either")
    options.add_argument("--ca", help="PEM file with CA certificates; without it, the connection is plaintext")
    options.add_argument("--cert", help="PEM file with the client certificate")
    options.add_argument("--key", help="PEM file with its key")
    options.add_argument("--token-file", help="file with a bearer token, read for each call")
    options.add_argument("--service-config", help="gRPC service config that replaces the built-in one")
    return options


def gateway(parser, options):
    """The `Gateway` of parsed options."""
    names = "target", "timeout", "retries", "ca", "cert", "key", "token_file", "service_config"
    try:
        return Gateway(**{name: getattr(options, name) for name in names})
    except (OSError, ValueError) as error:
        parser.error(str(error))


def secret(parser, variable):
    """A secret. It isn't an argument, because arguments show in the list of processes."""
    value = os.environ.get(variable)
    if not value:
        parser.error(f"{variable} is missing or empty")
    return value


def print_line(answer, **first):
    """Prints a line of JSON: `first`, and what is known about the call."""
    fields = {name: value for name, value in vars(answer).items() if name not in ("retry_after", "reply")}
    with OUTPUT:
        print(json.dumps(first | fields), flush=True)

"""Calls a control plane over mutual TLS with nothing but gRPC's own library.

Usage: secure.py HOST:PORT CA CERTIFICATE KEY TOKEN-FILE

Prints one line for each way to call: with the certificate, with the token, with neither, and with a wrong
token; and one for health and reflection without either.
"""

import sys

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

LIST = "/penstock.management.v1.RestApiService/ListRestApis"
HEALTH = "/grpc.health.v1.Health/Check"


def read(path):
    with open(path, "rb") as file:
        return file.read()


def answer(channel, metadata=(), call=LIST):
    invoke = channel.unary_unary(call, request_serializer=lambda message: message, response_deserializer=bytes)
    try:
        invoke(b"", timeout=30, metadata=metadata)
        return "OK"
    except grpc.RpcError as error:
        return f"{error.code().name} {error.details()}"


def main(target, ca, certificate, key, token):
    mutual = grpc.ssl_channel_credentials(read(ca), read(key), read(certificate))
    with grpc.secure_channel(target, mutual) as channel:
        print("certificate", answer(channel))
        database = ProtoReflectionDescriptorDatabase(channel)
        pool = DescriptorPool(database)
        method = pool.FindServiceByName("penstock.management.v1.AuditService").FindMethodByName("ListAuditEntries")
        print("reflection", GetMessageClass(method.output_type).DESCRIPTOR.full_name)
    server_only = grpc.ssl_channel_credentials(read(ca))
    with grpc.secure_channel(target, server_only) as channel:
        print("nothing", answer(channel))
        print("health", answer(channel, call=HEALTH))
        try:
            ProtoReflectionDescriptorDatabase(channel).get_services()
            print("hidden", "OK")
        except grpc.RpcError as error:
            print("hidden", error.code().name)
        print("wrong-token", answer(channel, [("authorization", "Bearer no-such-token-here")]))
    call = grpc.access_token_call_credentials(read(token).decode().strip())
    with grpc.secure_channel(target, grpc.composite_channel_credentials(server_only, call)) as channel:
        print("token", answer(channel))


if __name__ == "__main__":
    main(*sys.argv[1:])

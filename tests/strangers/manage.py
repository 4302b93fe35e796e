"""Builds an API call by call, knowing nothing but the address: every message comes from server reflection, or from a file
that holds the descriptors of an earlier release.

Usage: manage.py HOST:PORT UPSTREAM-URI [DESCRIPTORS]
"""

import sys

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

PACKAGE = "penstock.management.v1"


class Management:
    """Calls by name, with and as JSON objects."""

    def __init__(self, channel, descriptors=None):
        self.channel = channel
        database = ProtoReflectionDescriptorDatabase(channel)
        self.services = set(database.get_services())
        if descriptors is None:
            self.pool = DescriptorPool(database)
            return
        self.pool = DescriptorPool()
        with open(descriptors, "rb") as file:
            for one in FileDescriptorSet.FromString(file.read()).file:
                self.pool.Add(one)

    def call(self, service, method, request):
        descriptor = self.pool.FindServiceByName(f"{PACKAGE}.{service}").FindMethodByName(method)
        message = json_format.ParseDict(request, GetMessageClass(descriptor.input_type)())
        invoke = self.channel.unary_unary(
            f"/{PACKAGE}.{service}/{method}",
            request_serializer=type(message).SerializeToString,
            response_deserializer=GetMessageClass(descriptor.output_type).FromString,
        )
        return json_format.MessageToDict(invoke(message, timeout=30))

    def refused(self, code, service, method, request):
        try:
            self.call(service, method, request)
        except grpc.RpcError as error:
            assert error.code() == code, (method, error.code(), error.details())
            return error.details()
        raise AssertionError(f"{method} was accepted")


def main(target, upstream, descriptors=None):
    with grpc.insecure_channel(target) as channel:
        management = Management(channel, descriptors)
        assert "grpc.health.v1.Health" in management.services, management.services

        api = management.call("RestApiService", "CreateRestApi", {
            "restApi": {"name": "from python", "binaryMediaTypes": ["image/jpeg"]},
        })
        key = {"restApiId": api["id"]}
        things = management.call("ResourceService", "CreateResource", {
            "resource": {**key, "parentId": api["rootResourceId"], "pathPart": "things"},
        })
        thing = management.call("ResourceService", "CreateResource", {
            "resource": {**key, "parentId": things["id"], "pathPart": "{id}"},
        })
        assert thing["path"] == "/things/{id}", thing
        method = {**key, "resourceId": thing["id"], "httpMethod": "GET"}
        management.call("MethodService", "CreateMethod", {"method": {
            **method, "requestParameters": {"method.request.path.id": True},
        }})
        details = management.refused(
            grpc.StatusCode.INVALID_ARGUMENT, "MethodService", "PutIntegration",
            {"method": method, "integration": {"type": "HTTP_PROXY", "uri": "nowhere", "timeoutInMillis": 1}},
        )
        for field in ("uri", "httpMethod", "timeoutInMillis"):
            assert field in details, details
        management.call("MethodService", "PutIntegration", {"method": method, "integration": {
            "type": "HTTP_PROXY",
            "httpMethod": "GET",
            "uri": upstream + "/{id}",
            "contentHandling": "PASSTHROUGH",
            "requestParameters": {"integration.request.path.id": "method.request.path.id"},
        }})
        management.call("DeploymentService", "CreateDeployment", {**key, "stageName": "prod"})
        management.call("DomainNameService", "CreateDomainName", {"domainName": {"domainName": "python.test"}})
        management.call("DomainNameService", "CreateBasePathMapping", {"basePathMapping": {
            "domainName": "python.test", "basePath": "v1", "restApiId": api["id"], "stage": "prod",
        }})

        renamed = management.call("RestApiService", "UpdateRestApi", {
            "restApi": {"id": api["id"], "description": "renamed", "revision": api["revision"]},
            "updateMask": "description",
        })
        assert renamed["name"] == "from python" and renamed["description"] == "renamed", renamed
        management.refused(grpc.StatusCode.ABORTED, "RestApiService", "UpdateRestApi", {
            "restApi": {"id": api["id"], "description": "late", "revision": api["revision"]},
            "updateMask": "description",
        })
        management.refused(grpc.StatusCode.NOT_FOUND, "RestApiService", "GetRestApi", {"restApiId": "none"})
        management.refused(grpc.StatusCode.ALREADY_EXISTS, "DomainNameService", "CreateDomainName", {
            "domainName": {"domainName": "python.test"},
        })
        listed = management.call("RestApiService", "ListRestApis", {"pageSize": 1})
        assert listed["items"][0]["id"] == api["id"], listed
    print("managed")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A gateway of grpcio and boto3, with a thread for each call in flight."""

import argparse
from concurrent import futures
from pathlib import Path

import boto3
import botocore.config
import grpc

from codepipeline.thirdparty.v1 import third_party_job_service_pb2 as pb
from codepipeline.thirdparty.v1 import third_party_job_service_pb2_grpc as pb_grpc


class Service(pb_grpc.ThirdPartyJobServiceServicer):
    def __init__(self, threads):
        # As many connections as threads, so that no thread waits for a connection.
        config = botocore.config.Config(max_pool_connections=threads, retries={"total_max_attempts": 1})
        self.client = boto3.client("codepipeline", config=config)

    def AcknowledgeThirdPartyJob(self, request, context):
        try:
            answer = self.client.acknowledge_third_party_job(
                jobId=request.job_id, nonce=request.nonce, clientToken=request.client_token
            )
        except Exception as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
        status = pb.JOB_STATUS_IN_PROGRESS if answer["status"] == "InProgress" else pb.JOB_STATUS_UNSPECIFIED
        return pb.AcknowledgeThirdPartyJobResponse(status=status, aws_status=answer["status"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--addr", required=True)
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--tls", type=Path, help="folder with server.pem and server-key.pem: serve TLS")
    args = parser.parse_args()

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=args.threads))
    pb_grpc.add_ThirdPartyJobServiceServicer_to_server(Service(args.threads), server)
    if args.tls:
        pair = [(args.tls / "server-key.pem").read_bytes(), (args.tls / "server.pem").read_bytes()]
        server.add_secure_port(args.addr, grpc.ssl_server_credentials([pair]))
    else:
        server.add_insecure_port(args.addr)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()

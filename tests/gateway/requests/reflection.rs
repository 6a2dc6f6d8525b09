//! Server reflection, on and off.

use tonic::Code;

use super::{failed_call, valid};
use crate::harness::World;
use crate::harness::reflection::{reflect_v1, reflect_v1alpha};

#[tokio::test(flavor = "multi_thread")]
async fn both_reflections_list_the_services_and_the_error_details() {
    let world = World::start().await;
    let channel = world.gateway.channel.clone();
    for question in
        ["list", "google.rpc.ErrorInfo", "codepipeline.thirdparty.v1.JobStatus", "grpc.health.v1.Health"]
    {
        let v1 = reflect_v1(channel.clone(), question).await;
        let v1alpha = reflect_v1alpha(channel.clone(), question).await;
        assert_eq!(v1.len(), v1alpha.len(), "{question}");
        let own =
            if question == "list" { "codepipeline.thirdparty.v1.ThirdPartyJobService" } else { question };
        assert!(v1.iter().any(|found| found == own || question != "list"), "{question}: {v1:?}");
        assert!(!v1.is_empty(), "{question}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disabled_reflection_is_an_unknown_method() {
    let world = World::changed(|settings| settings.reflection = false).await;
    for version in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        let answer = failed_call(&world, &path, &[], valid()).await;
        // With this code a client knows that reflection is off.
        assert_eq!((answer.code(), answer.reason().as_str()), (Code::Unimplemented, "UNKNOWN_METHOD"));
    }
    world.stop().await;
}

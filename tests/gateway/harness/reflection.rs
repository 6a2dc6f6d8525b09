//! Server reflection, in both of its versions.

use futures_util::stream;
use tonic::transport::Channel;
use tonic::{Code, Request};
use tonic_reflection::pb::{v1, v1alpha};

/// The code of a reflection call, perhaps with a bearer token.
pub async fn reflection_code(channel: Channel, token: Option<&str>) -> Code {
    let list = v1::server_reflection_request::MessageRequest::ListServices(String::new());
    let request = v1::ServerReflectionRequest { host: String::new(), message_request: Some(list) };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel);
    let mut request = Request::new(stream::iter([request]));
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    let response = client.server_reflection_info(request).await;
    response.map_or_else(|status| status.code(), |_| Code::Ok)
}

/// Defines a function that asks for the names of the services, or for the files that define a
/// symbol.
macro_rules! reflect {
    ($function:ident, $version:ident) => {
        pub async fn $function(channel: Channel, question: &str) -> Vec<String> {
            use $version::server_reflection_request::MessageRequest;
            use $version::server_reflection_response::MessageResponse;
            let ask = match question {
                "list" => MessageRequest::ListServices(String::new()),
                symbol => MessageRequest::FileContainingSymbol(symbol.into()),
            };
            let request =
                $version::ServerReflectionRequest { host: String::new(), message_request: Some(ask) };
            let mut client = $version::server_reflection_client::ServerReflectionClient::new(channel);
            let responses = client.server_reflection_info(stream::iter([request])).await;
            let response = responses.unwrap().into_inner().message().await.unwrap().unwrap();
            match response.message_response.unwrap() {
                MessageResponse::ListServicesResponse(list) => {
                    list.service.into_iter().map(|service| service.name).collect()
                }
                MessageResponse::FileDescriptorResponse(files) => {
                    files.file_descriptor_proto.iter().map(|file| file.len().to_string()).collect()
                }
                other => panic!("{other:?}"),
            }
        }
    };
}

reflect!(reflect_v1, v1);
reflect!(reflect_v1alpha, v1alpha);

//! Connection faults, refused connections, and the end of the simulator.

use std::io::ErrorKind;

use codepipeline_simulator::{ConnectionFault, ConnectionMoment, Fault};
use tokio::net::TcpListener;

use crate::client::{Call, Connection};
use crate::{simulator, within};

#[tokio::test]
async fn connection_breaks_before_the_request_is_read() {
    let simulator = simulator().await;
    let when = ConnectionMoment::BeforeRequestRead;
    for (fault, kind) in [
        (ConnectionFault::Reset { when }, ErrorKind::ConnectionReset),
        (ConnectionFault::Close { when }, ErrorKind::UnexpectedEof),
    ] {
        simulator.fault_next_connections(1, fault);
        let mut connection = Connection::open(simulator.addr()).await.unwrap();
        within(simulator.wait_for_open_connections(1)).await;
        // The connection is accepted and open. The first bytes of the request break it.
        connection.send(&Call::default()).await.unwrap();
        assert_eq!(connection.response().await.unwrap_err().kind(), kind);
        drop(connection);
        within(simulator.wait_for_open_connections(0)).await;
    }
    assert!(simulator.requests().is_empty());
    assert_eq!(Call::default().send(simulator.addr()).await.unwrap().status, 200);
}

#[tokio::test]
async fn connection_breaks_on_accept() {
    let simulator = simulator().await;
    let when = ConnectionMoment::OnAccept;
    for (fault, reset) in [(ConnectionFault::Reset { when }, true), (ConnectionFault::Close { when }, false)]
    {
        simulator.fault_next_connections(1, fault);
        let mut connection = Connection::open(simulator.addr()).await.unwrap();
        let result = connection.read_to_end().await;
        assert_eq!(result.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset), reset);
    }
}

#[tokio::test]
async fn connection_faults_apply_to_new_connections_only() {
    let simulator = simulator().await;
    let mut open = Connection::open(simulator.addr()).await.unwrap();
    open.call(&Call::default()).await.unwrap();
    simulator.fault_next_connections(1, ConnectionFault::Reset { when: ConnectionMoment::OnAccept });
    open.call(&Call::default()).await.unwrap();
    assert!(Call::default().send(simulator.addr()).await.is_err());
}

#[tokio::test]
async fn connections_are_refused_and_accepted_again() {
    let simulator = simulator().await;
    let mut idle = Connection::open(simulator.addr()).await.unwrap();
    idle.call(&Call::default()).await.unwrap();
    simulator.refuse_connections(true).await.unwrap();
    assert_eq!(simulator.open_connections(), 0);
    assert_eq!(idle.read_to_end().await.unwrap(), "");
    let error = Call::default().send(simulator.addr()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);

    simulator.refuse_connections(false).await.unwrap();
    assert_eq!(Call::default().send(simulator.addr()).await.unwrap().status, 400);
}

#[tokio::test]
async fn in_flight_calls_finish_while_connections_are_refused() {
    let simulator = simulator().await;
    simulator.fault_next(1, Fault::delay(100));
    let mut busy = Connection::open(simulator.addr()).await.unwrap();
    busy.send(&Call::default()).await.unwrap();
    within(simulator.wait_for_requests(1)).await;
    simulator.refuse_connections(true).await.unwrap();
    assert_eq!(busy.response().await.unwrap().status, 200);
    assert_eq!(busy.read_to_end().await.unwrap(), "");
    within(simulator.wait_for_open_connections(0)).await;
}

#[tokio::test]
async fn listening_again_on_a_used_port_is_an_error() {
    let simulator = simulator().await;
    simulator.refuse_connections(true).await.unwrap();
    let _taken = TcpListener::bind(simulator.addr()).await.unwrap();
    let error = simulator.refuse_connections(false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

#[tokio::test]
async fn stop_closes_the_listener_and_every_connection() {
    let simulator = simulator().await;
    let mut idle = Connection::open(simulator.addr()).await.unwrap();
    idle.call(&Call::default()).await.unwrap();
    simulator.stop().await;
    simulator.stop().await;
    assert_eq!(simulator.open_connections(), 0);
    assert!(idle.call(&Call::default()).await.is_err());
    let error = Call::default().send(simulator.addr()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(simulator.refuse_connections(true).await.unwrap_err().kind(), ErrorKind::NotConnected);
}

#[tokio::test]
async fn drop_closes_every_connection() {
    let simulator = simulator().await;
    let mut idle = Connection::open(simulator.addr()).await.unwrap();
    idle.call(&Call::default()).await.unwrap();
    drop(simulator);
    assert_eq!(idle.read_to_end().await.unwrap(), "");
}

#[tokio::test]
async fn endpoint_url_is_an_http_url() {
    let simulator = simulator().await;
    assert_eq!(simulator.endpoint_url(), format!("http://127.0.0.1:{}", simulator.addr().port()));
}

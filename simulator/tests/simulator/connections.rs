//! Faults of whole connections, refusing them, and stopping.

use std::io::ErrorKind;

use codepipeline_simulator::{ConnectionFault, ConnectionMoment, Fault};
use tokio::net::TcpListener;

use crate::client::{Call, Connection};
use crate::simulator;

#[tokio::test]
async fn broken_before_the_request_is_read() {
    let simulator = simulator().await;
    let when = ConnectionMoment::BeforeRequestRead;
    for (fault, kind) in [
        (ConnectionFault::Reset { when }, ErrorKind::ConnectionReset),
        (ConnectionFault::Close { when }, ErrorKind::UnexpectedEof),
    ] {
        simulator.fault_next_connections(1, fault);
        let mut connection = Connection::open(simulator.addr()).await.unwrap();
        simulator.wait_for_open_connections(1).await;
        // It was accepted and is still there: only the request's first bytes bring it down.
        connection.send(&Call::default()).await.unwrap();
        assert_eq!(connection.answer().await.unwrap_err().kind(), kind);
        drop(connection);
        simulator.wait_for_open_connections(0).await;
    }
    assert!(simulator.requests().is_empty());
    assert_eq!(Call::default().send(simulator.addr()).await.unwrap().status, 200);
}

#[tokio::test]
async fn broken_as_soon_as_accepted() {
    let simulator = simulator().await;
    let when = ConnectionMoment::OnAccept;
    for (fault, reset) in [(ConnectionFault::Reset { when }, true), (ConnectionFault::Close { when }, false)]
    {
        simulator.fault_next_connections(1, fault);
        let mut connection = Connection::open(simulator.addr()).await.unwrap();
        let result = connection.rest().await;
        assert_eq!(result.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset), reset);
    }
}

#[tokio::test]
async fn a_connection_fault_spares_open_connections() {
    let simulator = simulator().await;
    let mut open = Connection::open(simulator.addr()).await.unwrap();
    open.call(&Call::default()).await.unwrap();
    simulator.fault_next_connections(1, ConnectionFault::Reset { when: ConnectionMoment::OnAccept });
    open.call(&Call::default()).await.unwrap();
    assert!(Call::default().send(simulator.addr()).await.is_err());
}

#[tokio::test]
async fn refused_and_accepted_again() {
    let simulator = simulator().await;
    let mut idle = Connection::open(simulator.addr()).await.unwrap();
    idle.call(&Call::default()).await.unwrap();
    simulator.refuse_connections(true).await.unwrap();
    assert_eq!(simulator.open_connections(), 0);
    assert_eq!(idle.rest().await.unwrap(), "");
    let error = Call::default().send(simulator.addr()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);

    simulator.refuse_connections(false).await.unwrap();
    assert_eq!(Call::default().send(simulator.addr()).await.unwrap().status, 400);
}

#[tokio::test]
async fn refusing_lets_calls_in_flight_finish() {
    let simulator = simulator().await;
    simulator.fault_next(1, Fault::delay(100));
    let mut busy = Connection::open(simulator.addr()).await.unwrap();
    busy.send(&Call::default()).await.unwrap();
    simulator.wait_for_requests(1).await;
    simulator.refuse_connections(true).await.unwrap();
    assert_eq!(busy.answer().await.unwrap().status, 200);
    assert_eq!(busy.rest().await.unwrap(), "");
    simulator.wait_for_open_connections(0).await;
}

#[tokio::test]
async fn a_port_that_somebody_took_meanwhile_is_an_error() {
    let simulator = simulator().await;
    simulator.refuse_connections(true).await.unwrap();
    let _taken = TcpListener::bind(simulator.addr()).await.unwrap();
    let error = simulator.refuse_connections(false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

#[tokio::test]
async fn stopped_it_holds_nothing() {
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
async fn dropped_it_ends_too() {
    let simulator = simulator().await;
    let mut idle = Connection::open(simulator.addr()).await.unwrap();
    idle.call(&Call::default()).await.unwrap();
    drop(simulator);
    assert_eq!(idle.rest().await.unwrap(), "");
}

#[tokio::test]
async fn its_url_is_what_an_sdk_takes() {
    let simulator = simulator().await;
    assert_eq!(simulator.endpoint_url(), format!("http://127.0.0.1:{}", simulator.addr().port()));
}

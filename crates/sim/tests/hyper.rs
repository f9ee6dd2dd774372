//! hyper's server and client, unchanged, in a world that loses packets, breaks apart, heals, and jumps in time.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use bowline_sim::{Discipline, Host, Outcome, Sim};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

type Client = SendRequest<Full<Bytes>>;

const PAGE: usize = 50_000;

async fn page(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().as_bytes();
    Ok(Response::new(Full::new(path.iter().copied().cycle().take(PAGE).collect())))
}

/// Serves for ever.
async fn serve(host: Host) -> io::Result<()> {
    let listener = host.listen(host.at(80)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let service = hyper::service::service_fn(page);
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// One connection with keep-alive.
async fn connect(from: &Host, to: &Host) -> Result<Client, Box<dyn std::error::Error>> {
    let stream = from.connect(to.at(80)).await?;
    let (client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn fetch(client: &mut Client, path: &str) -> Result<(), Box<dyn std::error::Error>> {
    client.ready().await?;
    let request = Request::get(path).header("host", "server").body(Full::default())?;
    let answer = client.send_request(request).await?.into_body().collect().await?.to_bytes();
    let expected: Vec<u8> = path.bytes().cycle().take(PAGE).collect();
    assert!(answer == expected, "{path} is not what was served");
    Ok(())
}

#[test]
fn keep_alive_goes_on_through_loss_a_partition_and_a_jump_of_time() -> Outcome {
    bowline_sim::check("keep_alive_goes_on", 0..=4, |sim| {
        let (client, server) = (sim.host("client")?, sim.host("server")?);
        let link = sim.link(&client, &server);
        link.delay(Duration::from_millis(20)).rate("20mbit".parse()?).queue(Discipline::drop_tail(100_000)).loss(0.02);
        sim.run(async {
            tokio::spawn(serve(server.clone()));
            let mut http = connect(&client, &server).await?;
            for number in 0..40 {
                fetch(&mut http, &format!("/{number}")).await?;
            }
            let before = client.now();
            let (world, clock) = (link.clone(), sim.clock());
            world.partition();
            tokio::spawn(async move {
                clock.sleep(Duration::from_secs(7)).await;
                world.heal();
            });
            fetch(&mut http, "/through-the-partition").await?;
            assert!(
                client.now().since(before) > Duration::from_secs(7),
                "it cannot have come before the link was whole"
            );
            link.loss(0.0).rate("1gbit".parse()?);
            fetch(&mut http, "/after").await
        })??;
        let mut connections = client.connections();
        let info = connections.pop().filter(|_| connections.is_empty()).ok_or("one connection was to carry all")?;
        assert!(info.min_rtt.is_some_and(|rtt| rtt >= Duration::from_millis(40)), "{info:?}");
        assert_eq!(info.bytes_acked, info.bytes_sent - info.bytes_retrans, "all requests are acknowledged");
        assert!(info.timeouts > 0, "a request was lost in the partition: {info:?}");
        assert!(info.bytes_received > 42 * PAGE as u64, "{info:?}");
        let sender = server.connections().pop().ok_or("the server has it too")?;
        assert!(sender.total_retrans > 0 && sender.sack, "2 % of 1,500 packets were lost: {sender:?}");
        assert!(link.counters().iter().all(|way| way.lost > 0 && way.delivered > 0));
        Ok(())
    })?;
    Ok(())
}

#[test]
fn a_machine_that_was_asleep_goes_on_with_its_connection() -> Outcome {
    let sim = Sim::new(1)?;
    let (client, server) = (sim.host("client")?, sim.host("server")?);
    sim.link(&client, &server).delay(Duration::from_millis(10));
    let mut http = sim.run(async {
        tokio::spawn(serve(server.clone()));
        let mut http = connect(&client, &server).await?;
        fetch(&mut http, "/evening").await?;
        Ok::<_, Box<dyn std::error::Error>>(http)
    })??;
    let before = sim.now();
    sim.jump(Duration::from_secs(8 * 3600));
    sim.run(fetch(&mut http, "/morning"))??;
    let took = sim.now().since(before);
    assert!(took < Duration::from_secs(8 * 3600 + 1), "{took:?}");
    assert_eq!(client.counters().active_opens, 1);
    Ok(())
}

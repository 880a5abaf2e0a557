use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::link::Site;
use super::replay::ReplayBody;
use crate::serve::{CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES};
use crate::tls::ClientTls;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Until the other side has said its first bytes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(10);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_RESPONSE_HEADER_BYTES: u32 = 64 * 1024;

/// A connection: what sends over it, and the task that ends when it takes no more calls, because
/// it is lost or because the other side said that it leaves. Calls that run then go on.
pub(super) type Connection = (SendRequest<ReplayBody>, JoinHandle<hyper::Result<()>>);

/// Connects, and waits until the other side speaks: a process that hangs or hangs up at once takes
/// connections, too, and must not be given calls; nor must one that does not take our certificate,
/// which over TLS 1.3 it says only after we are done.
pub(super) async fn connect(site: &Site, tls: Option<&ClientTls>) -> Result<Connection, BoxError> {
    let connecting = async {
        let stream = TcpStream::connect(site.address).await?;
        stream.set_nodelay(true)?;
        let Some(name) = &site.target.secure else {
            return handshake(stream).await;
        };
        let tls = tls.ok_or("its certificate cannot be verified: there are no authorities")?;
        handshake(tls.connector().connect(name.clone(), stream).await?).await
    };
    tokio::time::timeout(CONNECT_TIMEOUT, connecting).await?
}

async fn handshake<S>(stream: S) -> Result<Connection, BoxError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (tell, heard) = oneshot::channel();
    let stream = Heard {
        stream,
        tell: Some(tell),
    };
    let (sender, connection) = Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        // What one call does not read counts against no other: only its own window is small.
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(MAX_RESPONSE_HEADER_BYTES)
        .keep_alive_interval(KEEP_ALIVE_EVERY)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        // That nobody is there any more is better found out before a call is.
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(stream))
        .await?;
    let mut connection = tokio::spawn(connection);
    tokio::select! {
        heard = heard => heard.map_err(|_| "the connection was closed at once")?,
        ended = &mut connection => {
            ended??;
            return Err("the connection was closed at once".into());
        }
    }
    Ok((sender, connection))
}

/// Tells when the first bytes come.
struct Heard<S> {
    stream: S,
    tell: Option<oneshot::Sender<()>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before
            && let Some(tell) = self.tell.take()
        {
            let _ = tell.send(());
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

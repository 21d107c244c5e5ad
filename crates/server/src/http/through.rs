//! Streams that look at what is read, and write as the `stream` below them does.

macro_rules! writes_through {
    ($name:ident) => {
        const _: () = {
            use std::io;
            use std::pin::Pin;
            use std::task::{Context, Poll};
            use tokio::io::AsyncWrite;

            impl<S: AsyncWrite + Unpin> AsyncWrite for $name<S> {
                fn poll_write(
                    mut self: Pin<&mut Self>,
                    cx: &mut Context<'_>,
                    bytes: &[u8],
                ) -> Poll<io::Result<usize>> {
                    Pin::new(&mut self.stream).poll_write(cx, bytes)
                }

                fn poll_write_vectored(
                    mut self: Pin<&mut Self>,
                    cx: &mut Context<'_>,
                    pieces: &[io::IoSlice<'_>],
                ) -> Poll<io::Result<usize>> {
                    Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
                }

                fn is_write_vectored(&self) -> bool {
                    self.stream.is_write_vectored()
                }

                fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                    Pin::new(&mut self.stream).poll_flush(cx)
                }

                fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                    Pin::new(&mut self.stream).poll_shutdown(cx)
                }
            }
        };
    };
}
pub(super) use writes_through;

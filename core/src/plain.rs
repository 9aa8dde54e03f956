//! The plain methods of every adapter's client: written once, so that a program changes its runtime by
//! changing an import.

/// Defines the plain methods in an adapter's `impl` block, over its `call`: `[] []` for a blocking
/// client, `[async] [.await]` for an async one, and the type that
/// [`plain_conversation`](crate::plain_conversation) defines. No part of the public API.
#[doc(hidden)]
#[macro_export]
macro_rules! plain_methods {
    ([$($asynchronous:tt)?] [$($wait:tt)*] $conversation:ty) => {
        /// Opens a conversation (protocol.md 6).
        ///
        /// # Errors
        /// As [`call`](Self::call).
        pub $($asynchronous)? fn open_conversation(
            &self,
            operation: $crate::api::OpenConversation,
        ) -> Result<$crate::connector::Completed<$crate::api::Opened>, $crate::error::Error> {
            self.call(operation) $($wait)*
        }

        /// Sends a text to a conversation's main dialog (protocol.md 7.3).
        ///
        /// # Errors
        /// As [`call`](Self::call).
        pub $($asynchronous)? fn send_text(
            &self,
            consumer: &$crate::id::ExtConsumerId,
            conversation: &$crate::id::ConversationId,
            text: impl Into<String>,
        ) -> Result<$crate::connector::Completed<$crate::api::Published>, $crate::error::Error> {
            let text = $crate::api::SendText::new(consumer.clone(), conversation.clone(), text);
            self.call(text) $($wait)*
        }

        /// Tells the agent whether the consumer is typing or there at all (protocol.md 7.5).
        ///
        /// # Errors
        /// As [`call`](Self::call).
        pub $($asynchronous)? fn chat_state(
            &self,
            consumer: &$crate::id::ExtConsumerId,
            conversation: &$crate::id::ConversationId,
            state: $crate::api::ChatState,
        ) -> Result<$crate::connector::Completed<$crate::api::Published>, $crate::error::Error> {
            let (consumer, conversation) = (consumer.clone(), conversation.clone());
            self.call($crate::api::SetChatState::new(consumer, conversation, state)) $($wait)*
        }

        /// Closes a conversation (protocol.md 7.8).
        ///
        /// # Errors
        /// As [`call`](Self::call).
        pub $($asynchronous)? fn close(
            &self,
            consumer: &$crate::id::ExtConsumerId,
            conversation: &$crate::id::ConversationId,
        ) -> Result<$crate::connector::Completed<()>, $crate::error::Error> {
            let (consumer, conversation) = (consumer.clone(), conversation.clone());
            self.call($crate::api::CloseConversation::new(consumer, conversation)) $($wait)*
        }

        /// Opens a conversation and remembers it: a handle that knows where each message goes. The
        /// `Client-Properties` of `operation` are repeated on every message (protocol.md 6.5).
        ///
        /// # Errors
        /// As [`call`](Self::call).
        pub $($asynchronous)? fn converse(
            &self,
            operation: $crate::api::OpenConversation,
        ) -> Result<$conversation, $crate::error::Error> {
            let known = $crate::conversation::Conversation::of(&operation);
            let opened = self.call(operation) $($wait)* ?.output;
            Ok(Conversation { client: self.clone(), state: known.opened(opened.conversation) })
        }

        /// A handle on a conversation that is known: after a restart, say.
        #[must_use]
        pub fn resume(&self, state: $crate::conversation::Conversation) -> $conversation {
            Conversation { client: self.clone(), state }
        }

        /// Sends a file to the agent (protocol.md 8): asks for an address, puts the bytes there and
        /// publishes it. After an error `upload` knows how far it came: called again, this goes on
        /// from there.
        ///
        /// # Errors
        /// As [`call`](Self::call).
        pub $($asynchronous)? fn upload(
            &self,
            upload: &mut $crate::file::Upload,
        ) -> Result<$crate::api::Published, $crate::error::Error> {
            loop {
                let now = self.now().mono();
                match upload.poll(now) {
                    $crate::file::UploadStep::AskUrl(ask) => {
                        let url = self.call(ask) $($wait)* ?.output;
                        upload.url(url, now);
                    }
                    $crate::file::UploadStep::Put(put) => {
                        let put = self.call(put) $($wait)*;
                        upload.stored(put.map(|done| done.output))?;
                    }
                    $crate::file::UploadStep::Publish(publish) => {
                        let published = self.call(publish) $($wait)* ?.output;
                        upload.published(published);
                    }
                    $crate::file::UploadStep::Done(published) => return Ok(published),
                }
            }
        }
    };
}

/// Defines an adapter's `Conversation`: the core's, with a client to send what it writes. The generics
/// of its `Client` come last: `[] []`, or `[<R: Runtime>] [<R>]`.
#[doc(hidden)]
#[macro_export]
macro_rules! plain_conversation {
    ([$($asynchronous:tt)?] [$($wait:tt)*] [$($generics:tt)*] [$($names:tt)*]) => {
        /// A conversation, and the client to hold it with. What it decides (which dialog a text goes
        /// to, what wants a receipt) is decided by [`conversation`](crate::conversation).
        pub struct Conversation $($generics)* {
            client: Client $($names)*,
            state: $crate::conversation::Conversation,
        }

        impl $($generics)* Clone for Conversation $($names)* {
            fn clone(&self) -> Self {
                Self { client: self.client.clone(), state: self.state.clone() }
            }
        }

        impl $($generics)* std::fmt::Debug for Conversation $($names)* {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.state.fmt(f)
            }
        }

        impl $($generics)* Conversation $($names)* {
            /// What is known of it.
            #[must_use]
            pub fn state(&self) -> &$crate::conversation::Conversation {
                &self.state
            }

            /// Learns from a notification's change, best as an inbox gives it. Says what happened to
            /// the conversation.
            pub fn learn(
                &mut self,
                change: &$crate::webhook::Change,
            ) -> Vec<$crate::webhook::Transition> {
                self.state.learn(change)
            }

            /// Says something in the consumer's name, in the dialog that is open.
            ///
            /// # Errors
            /// As [`Client::call`].
            pub $($asynchronous)? fn text(
                &self,
                text: impl Into<String>,
            ) -> Result<$crate::connector::Completed<$crate::api::Published>, $crate::error::Error> {
                self.client.call(self.state.text(text)) $($wait)*
            }

            /// Tells whether the consumer is typing; nothing, while a survey runs.
            ///
            /// # Errors
            /// As [`Client::call`].
            pub $($asynchronous)? fn typing(
                &self,
                state: $crate::api::ChatState,
            ) -> Result<(), $crate::error::Error> {
                match self.state.typing(state) {
                    Some(typing) => self.client.call(typing) $($wait)* .map(|_| ()),
                    None => Ok(()),
                }
            }

            /// Tells that all that came was read.
            ///
            /// # Errors
            /// As [`Client::call`].
            pub $($asynchronous)? fn read(&mut self) -> Result<(), $crate::error::Error> {
                while let Some(receipt) = self.state.read() {
                    if let Err(error) = self.client.call(receipt.clone()) $($wait)* {
                        // It is named again the next time.
                        self.state.not_sent(&receipt);
                        return Err(error);
                    }
                }
                Ok(())
            }

            /// Sends a file (protocol.md 8), of this name and these bytes. To be able to go on after
            /// an error, make an [`Upload`]($crate::file::Upload) and use [`Client::upload`].
            ///
            /// # Errors
            /// As [`Client::call`]; [`InvalidInput`]($crate::error::ErrorKind::InvalidInput) for a
            /// file that would be refused.
            pub $($asynchronous)? fn file(
                &self,
                name: &str,
                bytes: impl Into<std::sync::Arc<[u8]>>,
            ) -> Result<$crate::api::Published, $crate::error::Error> {
                let mut upload = $crate::file::Upload::new(&self.state, name, bytes)?;
                self.client.upload(&mut upload) $($wait)*
            }

            /// Gets a file that the agent sent, by the path in its message (protocol.md 8.2, step 5).
            ///
            /// # Errors
            /// As [`Client::call`].
            pub $($asynchronous)? fn download(
                &self,
                relative_path: &str,
            ) -> Result<Vec<u8>, $crate::error::Error> {
                let ask = self.state.download_url(relative_path);
                let url = self.client.call(ask) $($wait)* ?.output;
                let file = self.client.call($crate::api::GetFile::new(url)) $($wait)* ?;
                Ok(file.output)
            }

            /// Clicks on `element`, which came with `message`: both of the messages that this takes
            /// (protocol.md 7.9).
            ///
            /// # Errors
            /// As [`Client::call`].
            pub $($asynchronous)? fn answer(
                &self,
                message: &$crate::webhook::MessagingEvent,
                element: $crate::webhook::Element<'_>,
            ) -> Result<(), $crate::error::Error> {
                let Some(answered) = self.state.answer(message, element) else { return Ok(()) };
                self.client.call(answered.receipt) $($wait)* ?;
                if let Some(text) = answered.text {
                    self.client.call(text) $($wait)* ?;
                }
                Ok(())
            }

            /// Says how satisfied the consumer is, from 1 to 5, once the conversation is closed.
            ///
            /// # Errors
            /// As [`Client::call`].
            pub $($asynchronous)? fn rate(
                &self,
                rate: u8,
                resolved: bool,
            ) -> Result<(), $crate::error::Error> {
                self.client.call(self.state.rate(rate, resolved)) $($wait)* .map(|_| ())
            }

            /// The consumer has no more to say; a survey may follow.
            ///
            /// # Errors
            /// As [`Client::call`].
            pub $($asynchronous)? fn close(&self) -> Result<(), $crate::error::Error> {
                self.client.call(self.state.close()) $($wait)* .map(|_| ())
            }
        }
    };
}

package training.lora.trainer.s3;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** A line to a server that answers in its place, or is cut, as tests want it. A connection carries one request. */
public final class FaultyLine implements AutoCloseable {
    private final ServerSocket socket;
    private final int server;
    private final List<String> requests = new CopyOnWriteArrayList<>();
    private final List<String> conditions = new CopyOnWriteArrayList<>();
    private final List<String> ranges = new CopyOnWriteArrayList<>();
    private volatile Function<String, @Nullable Fault> faults = request -> null;

    /**
     * What happens to a request.
     *
     * @param answer what is sent in the server's place; null: nothing
     * @param afterBytes of the request's content have been passed on the line is cut
     * @param answerBytes of the answer have been passed on the line is cut
     */
    public record Fault(@Nullable String answer, long afterBytes, long answerBytes) {
        /** An answer of S3. */
        public static Fault answer(int status, String code, String... headers) {
            String body =
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>as the test says</Message></Error>"
                            .formatted(code);
            return raw(status, "application/xml", body, headers);
        }

        /** Any answer. */
        public static Fault raw(int status, String type, String body, String... headers) {
            String more = headers.length == 0 ? "" : String.join("\r\n", headers) + "\r\n";
            return new Fault(
                    "HTTP/1.1 %d Told\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n%s\r\n%s"
                            .formatted(status, type, body.length(), more, body),
                    Long.MAX_VALUE,
                    Long.MAX_VALUE);
        }

        /** The line is cut after so many bytes of the request. */
        public static Fault cutAfter(long bytes) {
            return new Fault(null, bytes, Long.MAX_VALUE);
        }

        /** The line is cut after so many bytes of the answer. */
        public static Fault answerCutAfter(long bytes) {
            return new Fault(null, Long.MAX_VALUE, bytes);
        }
    }

    private FaultyLine(ServerSocket socket, int server) {
        this.socket = socket;
        this.server = server;
    }

    /** @param server the port of the server on this machine; 0 for none */
    public static FaultyLine to(int server) throws IOException {
        FaultyLine line = new FaultyLine(new ServerSocket(0, 50, InetAddress.getLoopbackAddress()), server);
        start(line::accept);
        return line;
    }

    /** Where it listens. */
    public URI endpoint() {
        return URI.create("http://127.0.0.1:" + socket.getLocalPort());
    }

    /** @param faults what happens to a request, such as "PUT /bucket/key"; null: it goes through */
    public void faults(Function<String, @Nullable Fault> faults) {
        this.faults = faults;
    }

    /** Method and target of each request so far. */
    public List<String> requests() {
        return List.copyOf(requests);
    }

    /** The ranges that were asked for. */
    public List<String> ranges() {
        return List.copyOf(ranges);
    }

    /** The headers by which requests asked for a state of the object. */
    public List<String> conditions() {
        return List.copyOf(conditions);
    }

    private interface Work {
        void run() throws IOException;
    }

    private static void start(Work work) {
        Thread thread = new Thread(() -> {
            try {
                work.run();
            } catch (IOException e) {
                // A line that is cut.
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    private void accept() throws IOException {
        while (true) {
            Socket client = socket.accept();
            start(() -> {
                try (client) {
                    pass(client);
                }
            });
        }
    }

    private void pass(Socket client) throws IOException {
        String head = head(client.getInputStream());
        if (head.isEmpty()) {
            return;
        }
        String request = head.substring(0, head.indexOf(" HTTP/"));
        requests.add(request);
        head.lines()
                .filter(header -> header.toLowerCase(Locale.ROOT).startsWith("range: "))
                .forEach(header -> ranges.add(header.substring("range: ".length())));
        head.lines()
                .filter(header -> header.toLowerCase(Locale.ROOT).startsWith("if-"))
                .forEach(conditions::add);
        Fault fault = faults.apply(request);
        if (fault != null && fault.answer() != null) {
            client.getOutputStream().write(fault.answer().getBytes(StandardCharsets.UTF_8));
            client.getOutputStream().flush();
            client.shutdownOutput();
            drain(client);
            return;
        }
        try (Socket up = new Socket(InetAddress.getLoopbackAddress(), server)) {
            String closing = head.replaceFirst("(?i)\r\nconnection: [^\r]*", "")
                    .replaceFirst("\r\n\r\n$", "\r\nConnection: close\r\n\r\n");
            up.getOutputStream().write(closing.getBytes(StandardCharsets.ISO_8859_1));
            long limit = fault == null ? Long.MAX_VALUE : fault.afterBytes();
            start(() -> {
                if (!copy(client.getInputStream(), up.getOutputStream(), limit)) {
                    up.close();
                    client.close();
                }
            });
            long most = fault == null ? Long.MAX_VALUE : fault.answerBytes();
            copy(up.getInputStream(), client.getOutputStream(), most);
        }
    }

    /** Reads what the client still sends, so that it sees the answer and no broken pipe. */
    private static void drain(Socket client) throws IOException {
        client.setSoTimeout(2000);
        copy(client.getInputStream(), OutputStream.nullOutputStream(), Long.MAX_VALUE);
    }

    private static String head(InputStream in) throws IOException {
        ByteArrayOutputStream head = new ByteArrayOutputStream();
        int end = 0;
        while (end < 4) {
            int b = in.read();
            if (b < 0) {
                return "";
            }
            head.write(b);
            end = b == (end % 2 == 0 ? '\r' : '\n') ? end + 1 : b == '\r' ? 1 : 0;
        }
        return head.toString(StandardCharsets.ISO_8859_1);
    }

    /** Whether all came through. */
    private static boolean copy(InputStream in, OutputStream out, long limit) throws IOException {
        if (limit == 0) {
            return false;
        }
        byte[] buffer = new byte[1 << 13];
        long left = limit;
        for (int n = in.read(buffer, 0, (int) Math.min(buffer.length, left)); n > 0; ) {
            out.write(buffer, 0, n);
            out.flush();
            left -= n;
            if (left == 0) {
                return false;
            }
            n = in.read(buffer, 0, (int) Math.min(buffer.length, left));
        }
        return true;
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}

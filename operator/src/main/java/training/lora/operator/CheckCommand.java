package training.lora.operator;

import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import javax.net.ssl.HttpsURLConnection;
import training.lora.api.CaFile;

/** {@code check URL CA-FILE}: whether an operator is reached and ready, for `helm test`. */
final class CheckCommand {
    static final String NAME = "check";

    private static final Duration TIMEOUT = Duration.ofSeconds(5);
    /** What kubelets and DNS need to know of a release that has just been installed. */
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private CheckCommand() {}

    /** Returns the exit code. */
    static int run(String[] arguments, PrintStream out) throws InterruptedException {
        if (arguments.length != 3) {
            out.println("usage: " + NAME + " URL CA-FILE");
            return 2;
        }
        long end = System.nanoTime() + PATIENCE.toNanos();
        String answer;
        do {
            answer = ask(URI.create(arguments[1]), Path.of(arguments[2]));
            if (answer.equals("200")) {
                out.println(arguments[1] + " answers 200");
                return 0;
            }
            Thread.sleep(500);
        } while (System.nanoTime() < end);
        out.println(arguments[1] + " must answer 200, was " + answer);
        return 1;
    }

    private static String ask(URI url, Path authorities) {
        try {
            HttpsURLConnection connection = (HttpsURLConnection) url.toURL().openConnection();
            connection.setSSLSocketFactory(CaFile.context(authorities).getSocketFactory());
            connection.setConnectTimeout((int) TIMEOUT.toMillis());
            connection.setReadTimeout((int) TIMEOUT.toMillis());
            return Integer.toString(connection.getResponseCode());
        } catch (IOException e) {
            return e.toString();
        }
    }
}

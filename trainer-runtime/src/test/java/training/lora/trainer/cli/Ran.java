package training.lora.trainer.cli;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A command that ran in this process.
 *
 * @param code its exit code
 * @param output what it wrote to standard output
 * @param error what it wrote to standard error
 */
record Ran(int code, String output, String error) {
    static Ran of(String... arguments) {
        return of(System::getenv, arguments);
    }

    /** @param environment the variables that it knows */
    static Ran of(Function<String, @Nullable String> environment, String... arguments) {
        PrintStream out = System.out;
        PrintStream err = System.err;
        ByteArrayOutputStream output = new ByteArrayOutputStream();
        ByteArrayOutputStream error = new ByteArrayOutputStream();
        System.setOut(new PrintStream(output, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(error, true, StandardCharsets.UTF_8));
        try {
            int code = Main.execute(environment, arguments);
            return new Ran(code, output.toString(StandardCharsets.UTF_8), error.toString(StandardCharsets.UTF_8));
        } finally {
            System.setOut(out);
            System.setErr(err);
        }
    }
}

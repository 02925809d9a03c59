package training.lora.images;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/** Programs of the build machine. */
final class Commands {
    private Commands() {}

    /** What it prints. */
    static String output(String... command) throws IOException, InterruptedException {
        return output(Arrays.asList(command));
    }

    /** Takes out of the libraries below {@code folder} what nothing but debuggers reads; the loader has symbols of its own. */
    static void strip(Path folder) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("strip", "--strip-unneeded"));
        try (Stream<Path> files = Files.walk(folder)) {
            files.filter(file -> file.toString().endsWith(".so"))
                    .map(Path::toString)
                    .sorted()
                    .forEach(command::add);
        }
        output(command);
    }

    static String output(List<String> command) throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        // Messages and sorting of no language.
        builder.environment().put("LC_ALL", "C.UTF-8");
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        int code = process.waitFor();
        if (code != 0) {
            throw new IOException("`%s` must succeed, but ends with exit code %d: %s"
                    .formatted(String.join(" ", command), code, output.strip()));
        }
        return output;
    }
}

package training.lora.trainer;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Runs a program in a Java process of its own whose heap is small. */
public final class SmallHeap {
    private SmallHeap() {}

    /** Runs the {@code main} of {@code program} with a heap of so many MiB, and sees to it that it ends well. */
    public static void run(int mebibytes, Class<?> program, String... arguments) throws Exception {
        List<String> line = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-XX:-UsePerfData",
                "-Xmx" + mebibytes + "m",
                "-cp",
                System.getProperty("java.class.path"),
                program.getName()));
        line.addAll(Arrays.asList(arguments));
        Process process = new ProcessBuilder(line).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
    }
}

package training.lora.trainer.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What nvidia-smi says of a card: its name and, looked at every second, how much of its memory was taken at most,
 * by this process and by all others. Where there is no card it says nothing.
 */
final class GpuMonitor implements AutoCloseable {
    static final String COMMAND = "nvidia-smi";

    private static final long SECONDS = 1;

    private final String command;
    private final int card;
    private final Optional<String> name;
    private final AtomicLong peakMebibytes = new AtomicLong();
    private final ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor(work -> {
        Thread thread = new Thread(work, "gpu-monitor");
        thread.setDaemon(true);
        return thread;
    });

    private GpuMonitor(String command, int card) {
        this.command = command;
        this.card = card;
        this.name = query("name,driver_version,memory.total");
        if (name.isPresent()) {
            look();
            clock.scheduleWithFixedDelay(this::look, SECONDS, SECONDS, TimeUnit.SECONDS);
        }
    }

    /**
     * @param command the program that is asked
     * @param card its number in the program's own order
     */
    static GpuMonitor start(String command, int card) {
        return new GpuMonitor(command, card);
    }

    /** Name, driver and memory of the card, as nvidia-smi writes them. */
    Optional<String> name() {
        return name;
    }

    /** The most that was taken of the card's memory when it was looked at. */
    long peakMebibytes() {
        return peakMebibytes.get();
    }

    private void look() {
        query("memory.used")
                .map(text -> text.replaceAll("[^0-9]", ""))
                .filter(digits -> !digits.isEmpty())
                .ifPresent(digits -> peakMebibytes.accumulateAndGet(Long.parseLong(digits), Math::max));
    }

    /** The card's line, or nothing where there is no such program or it fails. */
    private Optional<String> query(String fields) {
        try {
            Process process = new ProcessBuilder(
                            List.of(command, "--query-gpu=" + fields, "--format=csv,noheader", "--id=" + card))
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            return process.waitFor() == 0 ? text.lines().findFirst().map(String::trim) : Optional.empty();
        } catch (IOException e) {
            return Optional.empty();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Optional.empty();
        }
    }

    @Override
    public void close() {
        clock.shutdownNow();
    }
}

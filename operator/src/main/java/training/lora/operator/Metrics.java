package training.lora.operator;

import jakarta.ws.rs.GET;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.Produces;
import java.lang.management.ManagementFactory;
import java.util.Locale;
import training.lora.operator.progress.ProgressBoard;
import training.lora.operator.tls.TlsKeeper;

/** Few numbers in Prometheus' text form; a library for it would double what the operator's start takes. */
@Path("/metrics")
public final class Metrics {
    private final LeaderElection election;
    private final ProgressBoard progress;
    private final TlsKeeper tls;

    Metrics(LeaderElection election, ProgressBoard progress, TlsKeeper tls) {
        this.election = election;
        this.progress = progress;
        this.tls = tls;
    }

    /** All of them. */
    @GET
    @Produces("text/plain; version=0.0.4; charset=utf-8")
    public String read() {
        var memory = ManagementFactory.getMemoryMXBean();
        StringBuilder text = new StringBuilder();
        gauge(text, "lora_operator_leader", "1 where this replica runs trainings.", election.leads() ? 1 : 0);
        gauge(
                text,
                "lora_operator_reporting_trainings",
                "Trainings whose progress was heard of.",
                progress.reporting());
        tls.expiry()
                .ifPresent(end -> gauge(
                        text,
                        "lora_operator_certificate_expiry_timestamp_seconds",
                        "When the certificate ends.",
                        end.getEpochSecond()));
        gauge(
                text,
                "jvm_memory_used_bytes",
                "Heap and what is beside it.",
                memory.getHeapMemoryUsage().getUsed()
                        + memory.getNonHeapMemoryUsage().getUsed());
        return text.toString();
    }

    private static void gauge(StringBuilder text, String name, String help, long value) {
        text.append(String.format(Locale.ROOT, "# HELP %1$s %2$s%n# TYPE %1$s gauge%n%1$s %3$d%n", name, help, value));
    }
}

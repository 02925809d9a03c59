package training.lora.trainer.tensor;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** What the machine's processor computes natively. */
public final class Processor {
    private static final List<String> BF16_FLAGS = List.of("avx512_bf16", "amx_bf16", "bf16");

    private Processor() {}

    /** Whether it multiplies bf16 numbers; libtorch emulates that elsewhere, far below the speed of fp32. */
    public static boolean hasBFloat16() {
        return hasBFloat16(description());
    }

    /** Whether it multiplies tiles of bf16 numbers (Intel's AMX). */
    public static boolean hasAmx() {
        return hasAmx(description());
    }

    private static String description() {
        try {
            return Files.readString(Path.of("/proc/cpuinfo"));
        } catch (IOException e) {
            return "";
        }
    }

    /** @param cpuinfo Linux's description of the processors: {@code flags : …} on x86-64, {@code Features : …} on Arm */
    static boolean hasBFloat16(String cpuinfo) {
        return flags(cpuinfo).anyMatch(BF16_FLAGS::contains);
    }

    static boolean hasAmx(String cpuinfo) {
        return flags(cpuinfo).anyMatch("amx_bf16"::equals);
    }

    private static Stream<String> flags(String cpuinfo) {
        return cpuinfo.lines()
                .filter(line -> line.startsWith("flags") || line.startsWith("Features"))
                .flatMap(line -> Stream.of(line.split("\\s+")));
    }
}

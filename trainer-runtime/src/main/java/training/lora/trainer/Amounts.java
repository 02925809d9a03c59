package training.lora.trainer;

import java.util.Locale;

/** How much something is, in words for people. */
public final class Amounts {
    private static final String[] UNITS = {"KB", "MB", "GB", "TB"};

    private static final int STEP = 1000;

    private Amounts() {}

    /** As in "812 bytes" and "1.4 GB"; "an unknown size" where it is negative. */
    public static String bytes(long bytes) {
        if (bytes < 0) {
            return "an unknown size";
        }
        if (bytes < STEP) {
            return bytes == 1 ? "1 byte" : bytes + " bytes";
        }
        double amount = bytes;
        int unit = -1;
        // What would be rounded to 1000.0 is one of the next unit.
        while (amount >= STEP - 0.05 && unit < UNITS.length - 1) {
            amount /= STEP;
            unit++;
        }
        return String.format(Locale.ROOT, "%.1f %s", amount, UNITS[unit]);
    }

    /** As in "1 file of 812 bytes". */
    public static String files(int count, long bytes) {
        return "%d %s of %s".formatted(count, count == 1 ? "file" : "files", bytes(bytes));
    }
}

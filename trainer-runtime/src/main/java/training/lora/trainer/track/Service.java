package training.lora.trainer.track;

import java.io.Closeable;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A service that collects the course of trainings. What it throws but for {@link RefusedException} may succeed later. */
interface Service extends Closeable {
    /** Its name, for people. */
    String name();

    /** Which one, and what the run belongs to there; nothing secret. */
    String where();

    /** The file in which its lines are kept. */
    String file();

    /** Reads what was told of the run before, a line at a time. */
    void earlier(String line);

    /** Forgets what was read: another run begins. */
    void anew();

    /** The point as a line; null where it says nothing more. */
    @Nullable String line(Point point);

    /** Makes the run there, or says that it goes on; what is known of it then. */
    Told begin(Told told) throws IOException;

    /** @param lines those that follow what was told */
    void send(Told told, List<String> lines) throws IOException;

    /** Says that it still runs, after some time without news. */
    void alive(Told told) throws IOException;

    void end(Told told, Ending ending) throws IOException;
}

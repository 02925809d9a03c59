package training.lora.trainer.http;

import java.net.UnknownHostException;

/** An address that a uri may not lead to. Its message goes on after a uri, as in "must not lead to …". */
public final class RefusedAddressException extends UnknownHostException {
    private static final long serialVersionUID = 1;

    public RefusedAddressException(String message) {
        super(message);
    }
}

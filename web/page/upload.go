package page

import (
	"io"
	"mime/multipart"
	"net/http"
	"time"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/web/view"
)

// uploadIdle is how long a form's files may stand still.
const uploadIdle = 2 * time.Minute

// Upload serves a form with files. h reads its parts as they come, of any length;
// nothing of the form is in memory or on disk before.
func (s *Site) Upload(path string, h func(*Visit, *multipart.Reader) error) {
	s.echo.POST(path, func(c echo.Context) error {
		body := c.Request().Body
		return s.Signed(func(v *Visit) error {
			r := c.Request()
			rc := http.NewResponseController(c.Response())
			_ = rc.SetWriteDeadline(time.Time{}) // set again when the answer is written
			r.Body = struct {
				io.Reader
				io.Closer
			}{&flowing{body, rc, v}, body}
			parts, err := r.MultipartReader()
			if err != nil {
				return control.NewError(wire.TypeInvalid, err, "The form has no files. Choose some and send it again.")
			}
			err = h(v, parts)
			_ = rc.SetWriteDeadline(v.now().Add(eventWrite)) // a writer without deadlines, as in tests, has nothing to bound
			return err
		})(c)
	})
}

// flowing moves the deadline of a body as its bytes come.
type flowing struct {
	body io.Reader
	rc   *http.ResponseController
	v    *Visit
}

func (f *flowing) Read(p []byte) (int, error) {
	_ = f.rc.SetReadDeadline(f.v.now().Add(uploadIdle)) // as above
	return f.body.Read(p)
}

// OrAgain shows again with err above it, where err can be mended there.
func (v *Visit) OrAgain(err error, again Handler) error { return v.orAgain(err, again) }

// ConfirmAt goes on to another path that demands a step-up: err is what it
// answered, and the page that asks sends the proof there.
func (v *Visit) ConfirmAt(path string, err error) error {
	e := control.AsError(err)
	if e.Type != wire.TypeStepUpRequired || e.StepUp == nil {
		return err
	}
	s, err := v.Control.Session(v.Context(), v.Who)
	if err != nil {
		return err
	}
	return v.Show(view.Frame{Title: "Confirm with your second factor", Danger: true}, func(f view.Frame) templ.Component {
		return view.StepUp(f, *e.StepUp, v.about(e.StepUp.Text), s.Methods, path, nil)
	})
}

/* A C extension that takes memory and holds the GIL meanwhile: eat(bytes). Built by eaters.py where a compiler is. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdlib.h>
#include <string.h>

static void *volatile last; /* or the compiler would leave the writing out */

static PyObject *eat(PyObject *self, PyObject *number) {
    size_t size = PyLong_AsSize_t(number);
    void *block = PyErr_Occurred() ? NULL : malloc(size);
    if (block == NULL) return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    memset(block, 1, size);
    last = block;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"eat", eat, METH_O, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "eater", NULL, -1, methods};
PyMODINIT_FUNC PyInit_eater(void) { return PyModule_Create(&module); }
